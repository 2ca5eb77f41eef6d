#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lab/compare/comparison.h"
#include "lab/compare/evidence.h"
#include "lab/stats/multiple_comparisons.h"

namespace crucible::lab {

/// What a change is for a metric of which more is better, or less.
MetricVerdict verdict_of(stats::Change change, Better better) noexcept;

/// One metric of one scenario with what the rounds say about it, before it is decided.
struct WeighedMetric {
    MetricComparison result;
    /// None where there is nothing to weigh: `result` then says all there is to say.
    std::optional<Evidence> evidence;
    /// One value a round; empty where some do not exist.
    std::vector<double> baseline;
    std::vector<double> candidate;
    RoundDifferences differences;  ///< that it was weighed from
    bool by_difference = false;    ///< these are differences and not logarithms of ratios
    /// Plain differences that are told beside the ratio; empty: they are not.
    RoundDifferences beside;
    std::optional<EffectIntervals> intervals;  ///< once they were asked for
    AdjustedPValues p_values;                  ///< once its family is known
    std::string saturation;                    ///< which arm was, how often; empty: none
    /// Why "equivalent" must not be said of it, whatever the interval; empty: it may.
    std::string never_equivalent;
};

/// Weighs one metric over the valid rounds of a scenario. `whole`: what the metric is a part of has
/// so much of it in the baseline. Differences are measured against that then, as a part may have
/// none on one side; and are told beside a ratio, as those of all parts add up.
WeighedMetric weigh_metric(const std::vector<Round>& rounds, const MetricInfo& info,
                           const CompareOptions& options, std::optional<double> whole = {});

/// Fills in the intervals of what will be printed.
void add_intervals(WeighedMetric& metric, const CompareOptions& options);

/// Corrects the p-values of metrics that form one family.
void correct_family(const std::vector<WeighedMetric*>& family, stats::Adjustment adjustment);

/// Decides a metric whose p-values are corrected for a family of so many.
void decide(WeighedMetric& metric, std::size_t family, const CompareOptions& options);

}  // namespace crucible::lab
