#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "crucible/event.h"
#include "lab/workload/faults.h"
#include "lab/workload/mix.h"
#include "lab/workload/payload_sizes.h"
#include "lab/workload/popularity.h"

namespace crucible::lab {

/// What is sent: everything the content of the stream depends on.
struct WorkloadSpec {
    std::uint64_t seed = 1;
    /// Of every payload, exactly; raised where a type's fields need more.
    PayloadSizes payload = PayloadSizes::fixed(1024);
    Mix mix = Mix::production();
    Popularity accounts = Popularity::standard();  ///< those that transactions book on
    Faults faults;
    std::string webhook_secret =
        "crucible-webhook-secret";  ///< the key both sides sign and verify with
};

/// Above this no payload is ever raised: with a size of at least it, every payload has
/// exactly the size asked.
inline constexpr std::uint64_t kSmallestExactPayload = 512;

/// Where one event stands: `turn` counts the client's own events of the category, from 0.
struct Place {
    std::uint64_t index = 0;
    std::uint32_t client = 0;
    std::uint32_t clients = 1;
    std::uint64_t turn = 0;
};

/// The production-shaped stream: event `index` of the whole plan, the same bytes for the same spec
/// and number of clients on every machine (only `created` is left to the sender). Not thread-safe;
/// every client owns one and asks it for its own indices, in any order.
///
/// Every block of events of a client (of the production mix 20: 6 filesystem, 5 database, 4
/// external, 2 mcp, 2 service, 1 system) has exactly the mix in random order, so that the n-th
/// event of a category is known without the ones before. Within a block a file change causes an
/// event of the database, and that one of an external system: their correlation and causation ids
/// say so. Priorities follow the type and keep apart only what does not
/// depend on each other's order:
///   critical  health.checked, status.changed, maintenance.requested
///   high      transaction.committed, webhook.received, configuration.changed, metrics.reported,
///   log.rotated normal    file.*, record.*, api.called, and all of mcp low notification.requested
class Workload {
public:
    explicit Workload(const WorkloadSpec& spec);
    Workload(Workload&&) noexcept;
    Workload& operator=(Workload&&) noexcept;
    ~Workload();

    /// What event `index` of a client is: fill() then gives an event that must end accordingly.
    Fault fault_of(std::uint64_t index, std::uint32_t clients) const noexcept;
    const Faults& faults() const noexcept;

    /// Fills `event` with event `index` as published by client number `client`, reusing its memory.
    /// `index` is one of the client's own: client, client + clients, … Files, records and
    /// components of different clients never overlap; a client's own operations on them are
    /// possible in the order of its indices, from its first one without gaps.
    void fill(std::uint64_t index, std::uint32_t client, std::uint32_t clients, Event& event);

private:
    struct State;
    void fill_sound(std::uint64_t sound, Place place, Event& event);
    std::unique_ptr<State> state_;
};

}  // namespace crucible::lab
