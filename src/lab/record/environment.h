#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "crucible/time.h"

namespace crucible::lab {

/// What does not change as long as a machine runs.
struct Machine {
    std::string cpu_model;    ///< "unknown" where the kernel does not name it
    std::uint32_t cores = 0;  ///< this process may run on
    std::uint64_t memory_bytes = 0;
    std::string kernel;  ///< "Linux 6.1.0-18-amd64 x86_64"
};

/// Where a measurement was taken, as far as it bears on its figures. What cannot be read on this
/// machine is absent.
struct Environment : Machine {
    std::string os;                                 ///< "Debian GNU/Linux 12 (bookworm)"
    std::optional<std::string> frequency_governor;  ///< of the first core, e.g. "performance"
    double load_average_1m = 0;
    double load_average_5m = 0;
    double load_average_15m = 0;
    /// The longest wake-up from an idle state that somebody allowed (PM QoS), e.g. 0 with
    /// --realtime; absent where there is no such limit or only root can read it.
    std::optional<Duration> idle_latency_limit;
    /// How long after its due time a sleep ends: no pacer that sleeps can be more punctual.
    Duration wakeup_p50{};
    Duration wakeup_p99{};
};

/// Takes about 0.11 s: it sleeps 200 times for 500 us to an absolute time, with the timer slack of
/// precise pacing.
Environment read_environment();

Machine read_machine_kind();

/// Since boot: CPU time that the hypervisor gave to others, all cores together, and the time in
/// which some task waited for a core (pressure stall information).
std::optional<double> read_steal_seconds();
std::optional<double> read_cpu_pressure_seconds();

}  // namespace crucible::lab
