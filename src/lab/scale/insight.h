#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lab/scale/bottleneck.h"
#include "lab/scale/operational_laws.h"
#include "lab/scale/resource_limits.h"
#include "lab/scale/trial_runner.h"
#include "lab/stats/interval.h"

namespace crucible::lab {

/// A change that a named bottleneck would feel, predicted and then measured.
struct Intervention {
    std::string target;  ///< the URL with the change
    std::string change;  ///< "workers=3"
    std::string why;     ///< where the prediction comes from, in one line
    /// Throughput after over before, at most: as if all that the change takes away were gone.
    double predicted = 1;
    std::optional<stats::LocationEstimate> measured;  ///< over pairs of trials, as a ratio
    /// At least half of the predicted gain came, and the interval excludes that nothing did.
    bool confirmed = false;
    std::string absent;  ///< why it was not measured
};

/// What binds at a target's limit, and how we know.
struct Insight {
    double load = 0;  ///< at which it was looked at
    BottleneckJudgement judgement;
    std::optional<ActivityReport> activity;
    std::vector<scale::LawCheck> laws;
    std::optional<Intervention> intervention;
    std::string why_no_intervention;
};

/// Runs one trial of `target` at `load` with its threads watched and says what binds. `limit`: what
/// is broken there, empty where nothing is. nullopt: the trial failed, or its processes are not
/// known.
std::optional<Insight> look_for_bottleneck(TrialRunner& runner, const TargetUrl& target,
                                           double load, const std::string& limit,
                                           std::uint32_t number);

/// The change that a bottleneck called `verdict` would feel, and what it would gain; nullopt where
/// the target has none.
std::optional<Intervention> choose_intervention(const TargetUrl& target, Bottleneck verdict,
                                                const ActivityReport& activity);

/// Measures it: `pairs` of trials, as fast as events are acknowledged, with and without the change
/// in turn.
void measure_intervention(TrialRunner& runner, const TargetUrl& target, Intervention& intervention,
                          std::uint32_t pairs, std::uint32_t number);

}  // namespace crucible::lab
