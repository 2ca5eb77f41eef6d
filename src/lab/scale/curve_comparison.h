#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "crucible/error.h"
#include "lab/scale/curve_rounds.h"
#include "lab/scale/sweep.h"
#include "lab/stats/interval.h"

namespace crucible::lab::scale {

/// The Universal Scalability Law through a curve of throughput against that through another:
/// candidate / baseline where it is a ratio, candidate - baseline where it is a difference.
struct CurveComparison {
    /// Where the law could be fitted to nearly all draws.
    std::optional<stats::LocationEstimate> gamma_ratio;
    std::optional<stats::LocationEstimate> alpha_difference;
    std::optional<stats::LocationEstimate> beta_difference;
    /// Of the highest throughput, which without a peak is what more and more load comes near to: of
    /// those draws in which both curves have an end; none where fewer than 95 % do.
    std::optional<stats::LocationEstimate> limit_ratio;
    /// Of the load with the highest throughput, likewise of draws in which both have a peak.
    std::optional<stats::LocationEstimate> peak_ratio;
};

struct CurveComparisonOptions {
    double level = 0.95;
    std::uint32_t draws = 2000;
    std::uint64_t seed = 1;
};

/// Round r of the one was measured beside round r of the other. Rounds are drawn with replacement,
/// the same for both (the rounds, not their values, are independent); a value at a load is the mean
/// over the rounds drawn. Intervals are percentiles of the draws, further out for few rounds as
/// Student's distribution is than the normal (the expanded percentile interval, Hesterberg 2015).
///
/// Errc::invalid_argument: loads that differ or are fewer than 4, rounds that differ or are fewer
/// than kCurveRoundsMin, a value that is not above 0.
Result<CurveComparison> compare_curves(const CurveRounds& baseline, const CurveRounds& candidate,
                                       const CurveComparisonOptions& options);

/// A metric of one curve against that of another over all loads, whatever the axis and without any
/// law: round by round the mean over loads of ln(candidate / baseline), so that each load counts
/// alike and what a round shares is in its mean once.
struct RatioOverLoads {
    std::size_t loads = 0;     ///< at which more than half of the rounds have it of both
    std::vector<double> logs;  ///< of the rounds that have it at all of them
};
RatioOverLoads ratio_over_loads(const Sweep::ByRound& baseline, const Sweep::ByRound& candidate);

}  // namespace crucible::lab::scale
