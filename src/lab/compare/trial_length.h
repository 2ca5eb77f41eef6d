#pragma once

#include <optional>

#include "lab/experiment/experiment.h"

namespace crucible::lab {

/// How long the closed loop of a trial should be measured so that a given time tells most about
/// throughput (Kalibera & Jones 2013): long where it varies most within a trial, short where it
/// varies most from trial to trial.
struct TrialLength {
    Duration now{};
    Duration best{};         ///< a multiple of 100 ms
    double within = 0;       ///< standard deviation of 100 ms within a trial, of the mean
    double from_trials = 0;  ///< what differs from trial to trial beyond that, of the mean
};

/// From the two copies of the baseline. None without a closed loop, below 6 valid rounds, or where
/// a trial is shorter than 400 ms.
std::optional<TrialLength> best_trial_length(const ScenarioRounds& scenario);

}  // namespace crucible::lab
