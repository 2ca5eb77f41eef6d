#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "crucible/error.h"
#include "lab/scale/curve_rounds.h"
#include "lab/scale/sweep.h"
#include "lab/stats/interval.h"

namespace crucible::lab::scale {

/// The Universal Scalability Law through a curve of throughput against that through another:
/// candidate / baseline where it is a ratio, candidate - baseline where it is a difference. None
/// where a law could not be fitted, or not without each of the rounds. A ratio's interval without
/// an upper end ends in infinity.
struct CurveComparison {
    std::optional<stats::LocationEstimate> gamma_ratio;
    std::optional<stats::LocationEstimate> alpha_difference;
    std::optional<stats::LocationEstimate> beta_difference;
    /// Of UslFit::limit, the highest throughput, which without a peak is what more and more load
    /// comes near to; none where one of the laws is a line.
    std::optional<stats::LocationEstimate> limit_ratio;
    /// Of UslFit::peak, the load with the highest throughput; none where one of the laws has none.
    std::optional<stats::LocationEstimate> peak_ratio;
};

/// Of one round nothing says how rounds differ.
inline constexpr std::size_t kComparedRoundsMin = 2;

/// Round r of the one was measured beside round r of the other: what both share in a round is in no
/// interval of what differs. The spread is that of the jackknife over rounds of the differences,
/// and the intervals are Student's, Fieller's (1954) of gamma's ratio, of the limit that of
/// limit_ratio_interval(), all of fits without bounds (UslFit). Of the peak they are those of both
/// laws put together, as if independent (Zou and Donner 2008).
///
/// Errc::invalid_argument: loads that differ or are fewer than 4, rounds that differ or are fewer
/// than kComparedRoundsMin, a value that is not above 0.
Result<CurveComparison> compare_curves(const CurveRounds& baseline, const CurveRounds& candidate,
                                       double level = 0.95);

/// A metric of one curve against that of another over all loads, whatever the axis and without any
/// law: round by round the mean over loads of ln(candidate / baseline), so that each load counts
/// alike and what a round shares is in its mean once.
struct RatioOverLoads {
    std::size_t loads = 0;     ///< at which more than half of the rounds have it of both
    std::vector<double> logs;  ///< of the rounds that have it at all of them
};
RatioOverLoads ratio_over_loads(const Sweep::ByRound& baseline, const Sweep::ByRound& candidate);

}  // namespace crucible::lab::scale
