#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "crucible/error.h"
#include "lab/experiment/experiment.h"
#include "lab/memory/memory_figures.h"

namespace crucible::bench {

/// What one round finds of the memory of one system under one load.
struct MemoryReading {
    double memory_peak = 0;            ///< proportional set size, net of the harness alone
    double allocations_per_event = 0;  ///< these and the following: of the system's owners
    double bytes_per_event = 0;        ///< allocated
    double live_bytes = 0;             ///< when all events have ended
    double live_bytes_peak = 0;        ///< the processes' own peaks, summed
    double idle_bytes = 0;             ///< live before the first event
    double throughput = 0;             ///< handled per second, without counting
    double in_flight = 0;  ///< most events at once, of all clients; sampled without counting
    double events = 0;     ///< sent while the owners were counted
    std::vector<lab::OwnerFigures> owners;
};

/// The harness alone under this load. - the errors of lab::run_trial().
Result<lab::TrialResult> harness_trial(const lab::Scenario& scenario);

/// A trial without counting, for memory, and one that counts allocations, whose first half warms
/// up: as `crucible profile` does. `harness` is harness_trial() of the same scenario.
/// - Errc::failed: an event was not handled, a process could not be counted, or owners do
/// not add up. - the errors of lab::run_trial() and lab::find_tracker().
Result<MemoryReading> read_memory(const std::string& target, const lab::Scenario& scenario,
                                  const lab::TrialResult& harness);

/// - Errc::failed: not every event was handled, once.
Result<> check_handled(const lab::TrialResult& trial);

}  // namespace crucible::bench
