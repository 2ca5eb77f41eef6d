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
    /// Rounds whose latency does not exist because the arm was saturated: its value is infinite.
    std::uint32_t baseline_saturated = 0;
    std::uint32_t control_saturated = 0;
    std::uint32_t candidate_saturated = 0;
    std::uint64_t baseline_samples = 0;  ///< over all valid rounds
    std::uint64_t candidate_samples = 0;
    std::string phase;

    bool any_not_positive() const;
    bool all_zero() const;
    bool any_saturated() const {
        return baseline_saturated + control_saturated + candidate_saturated > 0;
    }
};

MetricSeries metric_series(const std::vector<Round>& rounds, const MetricInfo& info);

/// Latencies do not exist where the backlog grows.
bool is_latency(const MetricInfo& info) noexcept;

/// The metric of an arm, or null when it was not measured.
const MetricValue* find_metric(const ArmResult& arm, const MetricInfo& info) noexcept;

/// All phases' delivery of an arm.
Delivery total_delivery(const ArmResult& arm);

}  // namespace crucible::lab
