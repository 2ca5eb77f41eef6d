#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/cpu_set.h"
#include "base/units.h"
#include "crucible/error.h"
#include "crucible/time.h"
#include "lab/pace/pacer.h"
#include "lab/pace/schedule.h"
#include "lab/workload/workload.h"

namespace crucible::lab {

/// One stretch of load. Open loop when it has a pattern, closed loop ("as fast as acknowledged")
/// when it has not.
struct Phase {
    std::string name;                ///< "steady", "maximum", or what the pattern is called
    std::optional<Pattern> pattern;  ///< of all clients together
    Arrivals arrivals = Arrivals::constant();
    Duration closed_duration{};  ///< closed loop: how long after the warm-up
    Duration warmup{};           ///< load before it; in the ledger, not in latencies or throughput
    std::uint32_t window = 16;   ///< closed loop: events in flight per client
    /// Closed loop: each of them waits so long after its answer before the next is sent.
    Duration think{};
    /// Open loop: the next phase, open loop too, begins when this one's load ends, without a rest:
    /// what is in flight then ends meanwhile, and still counts for this one.
    bool flows_on = false;

    bool open_loop() const noexcept { return pattern.has_value(); }
    /// Of the measured load.
    Duration duration() const noexcept { return pattern ? pattern->duration() : closed_duration; }
    /// Planned after the warm-up, all clients together; 0 in closed loop.
    std::uint64_t events() const noexcept;
    /// Planned in the warm-up; 0 in closed loop.
    std::uint64_t warmup_events() const noexcept;
};

/// An open-loop phase of one rate.
Phase steady_phase(base::Rate rate, std::uint64_t events, Duration warmup = {});
/// A closed-loop phase.
Phase maximum_phase(Duration duration, Duration warmup = {});

/// One trial: everything the clients need besides the endpoint.
struct Plan {
    std::uint32_t clients = 4;
    WorkloadSpec workload;
    Pacing pacing = Pacing::precise;
    base::CpuSet cpus;  ///< that the clients may use; empty: all
    /// Senders have real-time priority in open loop, unless the system's own code runs in them.
    bool realtime = false;
    std::vector<Phase> phases;
    Duration drain_limit = std::chrono::seconds(10);
};

}  // namespace crucible::lab
