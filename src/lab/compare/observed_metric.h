#pragma once

#include <optional>
#include <span>

#include "lab/compare/observation.h"
#include "lab/stats/interval.h"
#include "lab/stats/multiple_comparisons.h"

namespace crucible::lab {

/// A metric with what its values say before it is known how many are judged together.
struct WeighedObservation {
    ObservedMetric metric;
    /// Whether there are values to judge; else `metric` says why there are none.
    bool judged = false;
    double margin = 0;  ///< in the unit of the shift: of logarithms, or the metric's own
    double shift = 0;   ///< Hodges-Lehmann's, of logarithms where there is a ratio
    std::optional<stats::Interval> interval;  ///< at the confidence asked
};

/// `events`: of the baseline, behind one value.
WeighedObservation weigh_observation(const StoredMetric& baseline, const StoredMetric& candidate,
                                     double events, const CompareOptions& options);

/// Corrects the p-values of metrics that form one family and says what each looks like.
void judge_family(std::span<WeighedObservation* const> family, stats::Adjustment adjustment,
                  const CompareOptions& options);

/// Fewest repetitions of each side with which the rank-sum test can refuse anything at
/// alpha / family: 4 alone at 5 %, 6 among seven.
std::uint32_t repetitions_min(double alpha, std::size_t family);

}  // namespace crucible::lab
