#pragma once

#include <cstdint>
#include <string>

#include "crucible/error.h"
#include "crucible/event.h"

namespace crucible::lab {

/// What is sent: everything the content of the stream depends on.
struct WorkloadSpec {
    std::uint64_t seed = 1;
    std::uint64_t payload_bytes = 1024;  ///< exact size of every payload; raised where a type's fields need more
    std::string webhook_secret = "crucible-webhook-secret";  ///< the key both sides sign and verify with
};

/// The production-shaped stream: event `index` of the whole plan, the same bytes for the same spec on every
/// machine (only `created` is set at the send). Not thread-safe; every client owns one and asks it for its own
/// indices, in any order.
class Workload {
public:
    /// - Errc::invalid_argument: payload_bytes above kEventBytesMax.
    static Result<Workload> make(const WorkloadSpec& spec);

    /// Fills `event` with event `index` as published by client number `client`, reusing its memory. Files and
    /// records of different clients never overlap; a client's own operations on a file (create, modify, move,
    /// delete) are consistent in the order of its indices.
    void fill(std::uint64_t index, std::uint32_t client, std::uint32_t clients, Event& event);

private:
    explicit Workload(WorkloadSpec spec);
    WorkloadSpec spec_;
};

}  // namespace crucible::lab
