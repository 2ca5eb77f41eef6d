#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/rng.h"
#include "lab/scale/search.h"
#include "simulation.h"

namespace crucible::lab::scale {

/// A system whose breaking point is known: in each trial it lies elsewhere by `noise`, and a share
/// of trials ends the other way round by chance.
struct SimulatedKnee {
    double knee = 1000;
    double noise = 0.02;
    double spurious = 0.03;
    /// From this load up the injector is late.
    std::optional<double> injector_limit;
    /// Long trials break from this load up.
    std::optional<double> long_knee;
    /// After an overload the system holds only so much.
    std::optional<double> knee_after_overload;
};

class Simulation {
public:
    Simulation(const SimulatedKnee& system, std::uint64_t seed) : system_(system), rng_(seed) {}

    Outcome run(const Probe& probe) {
        Outcome outcome;
        outcome.duration = probe.long_trial ? 10 : 1;
        if (system_.injector_limit && probe.load >= *system_.injector_limit) {
            outcome.validity = Validity::injector_late;
            return outcome;
        }
        double knee = system_.knee;
        if (probe.long_trial && system_.long_knee) knee = *system_.long_knee;
        if (probe.continues && system_.knee_after_overload) knee = *system_.knee_after_overload;
        bool broken = probe.load > knee * (1 + system_.noise * normal(rng_));
        if (rng_.uniform() < system_.spurious) broken = !broken;
        if (broken) outcome.broken.push_back(0);
        return outcome;
    }

private:
    SimulatedKnee system_;
    base::Rng rng_;
};

inline BreakingPoint search_simulated(const SimulatedKnee& system, const SearchOptions& options,
                                      std::uint64_t seed) {
    auto search = BreakingPointSearch::create(options);
    Simulation simulation(system, seed);
    while (const auto probe = search->next()) search->add(probe->load, simulation.run(*probe));
    return search->result();
}

}  // namespace crucible::lab::scale
