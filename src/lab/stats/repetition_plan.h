#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace crucible::lab::stats {

/// One level of an experiment that repeats things within things (events in a trial, trials in a
/// round, rounds), from the innermost outwards.
struct RepetitionLevel {
    double variance = 0;  ///< T_i^2: what this level alone adds to the variance
    double cost = 0;      ///< time one more repetition takes, without what is inside of it
};

/// Variances T_i^2 of each level from nested measurements, the innermost first (Kalibera & Jones
/// 2013): T_1^2 = S_1^2, T_i^2 = S_i^2 - S_{i-1}^2 / r_{i-1}, with S_i^2 the mean variance of the
/// level's means; negative ones are 0. `rounds[r][t]` holds the values of trial t of round r; all
/// are as long as each other, with at least 2 rounds, trials and values. Three levels.
std::vector<double> level_variances(std::span<const std::vector<std::vector<double>>> rounds);

/// How often to repeat each level but the outermost so that a given time tells most:
/// r_i = ceil(sqrt((c_{i+1} / c_i) (T_i^2 / T_{i+1}^2))), at least 1, and `limit` where the outer
/// level adds nothing. At least two levels, costs > 0.
std::vector<std::uint32_t> best_repetitions(std::span<const RepetitionLevel> levels,
                                            std::uint32_t limit);

}  // namespace crucible::lab::stats
