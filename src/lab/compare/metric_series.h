#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lab/experiment/experiment.h"

namespace crucible::lab {

/// One metric's values over the valid rounds of a scenario. The three vectors have one size: rounds
/// in which an arm has no value are counted in `missing` instead.
struct MetricSeries {
    std::vector<double> baseline;
    std::vector<double> control;
    std::vector<double> candidate;
    std::uint32_t rounds = 0;    ///< valid ones
    std::uint32_t missing = 0;   ///< of them, without a value in some arm
    std::string missing_reason;  ///< the first, with its arm
    std::uint32_t only_candidate_saturated =
        0;                                     ///< rounds in which neither copy of the baseline was
    std::uint32_t only_candidate_kept_up = 0;  ///< rounds in which both copies were saturated
    std::uint64_t baseline_samples = 0;        ///< over all valid rounds
    std::uint64_t candidate_samples = 0;
    std::string phase;

    bool any_not_positive() const;
    bool all_zero() const;
};

MetricSeries metric_series(const std::vector<Round>& rounds, const MetricInfo& info);

/// The metric of an arm, or null when it was not measured.
const MetricValue* find_metric(const ArmResult& arm, const MetricInfo& info) noexcept;

/// All phases' delivery of an arm.
Delivery total_delivery(const ArmResult& arm);

}  // namespace crucible::lab
