#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "crucible/error.h"
#include "crucible/event.h"

namespace crucible::lab {

/// What is sent: everything the content of the stream depends on.
struct WorkloadSpec {
    std::uint64_t seed = 1;
    std::uint64_t payload_bytes =
        1024;  ///< exact size of every payload; raised where a type's fields need more
    std::string webhook_secret =
        "crucible-webhook-secret";  ///< the key both sides sign and verify with
};

/// Above this no payload is ever raised: with payload_bytes of at least it, every payload has
/// exactly the size asked.
inline constexpr std::uint64_t kSmallestExactPayload = 512;

/// The production-shaped stream: event `index` of the whole plan, the same bytes for the same spec
/// and number of clients on every machine (only `created` is left to the sender). Not thread-safe;
/// every client owns one and asks it for its own indices, in any order.
///
/// Every 20 events of a client have exactly the production mix (6 filesystem, 5 database, 4
/// external, 2 mcp, 2 service, 1 system) in random order, so that the n-th event of a category is
/// known without the ones before. Priorities follow the type and keep apart only what does not
/// depend on each other's order:
///   critical  health.checked, status.changed, maintenance.requested
///   high      transaction.committed, webhook.received, configuration.changed, metrics.reported,
///   log.rotated normal    file.*, record.*, api.called, and all of mcp low notification.requested
class Workload {
public:
    /// - Errc::invalid_argument: payload_bytes above kEventBytesMax.
    static Result<Workload> make(const WorkloadSpec& spec);
    Workload(Workload&&) noexcept;
    Workload& operator=(Workload&&) noexcept;
    ~Workload();

    /// Fills `event` with event `index` as published by client number `client`, reusing its memory.
    /// `index` is one of the client's own: client, client + clients, … Files, records and
    /// components of different clients never overlap; a client's own operations on them are
    /// possible in the order of its indices, from its first one without gaps.
    void fill(std::uint64_t index, std::uint32_t client, std::uint32_t clients, Event& event);

private:
    struct State;
    explicit Workload(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace crucible::lab
