#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lab/compare/comparison.h"
#include "lab/record/environment.h"

namespace crucible::lab {

// The pieces that run and comparison files share; docs/formats/README.md describes each.

/// A duration as the files have it.
double seconds(Duration duration);
/// A JSON number, or null where `value` is not finite: JSON has neither NaN nor infinity.
nlohmann::json number(double value);
nlohmann::json number(const std::optional<double>& value);

/// schema, crucible, command, seed, started, duration_seconds.
nlohmann::json facts_json(std::string_view schema, const RunFacts& facts);
/// The same and this machine as `environment`.
nlohmann::json header_json(std::string_view schema, const RunFacts& facts);
nlohmann::json environment_json(const Environment& environment);
nlohmann::json failure_json(const std::optional<Error>& failure);
nlohmann::json delivery_json(const Delivery& delivery);
nlohmann::json checks_json(const std::vector<Check>& checks);
nlohmann::json estimate_json(const std::optional<Estimate>& estimate);
/// {value, ci_low, ci_high, n}: Hodges-Lehmann over rounds, and its 95 % interval from 6 rounds on;
/// nulls where there is none.
nlohmann::json over_rounds(const std::vector<double>& values);
/// Each metric over rounds, with its name, unit and `better`; where a round has no value there is
/// none, and `absent` says why: such rounds are the extreme ones. All rounds have the same metrics.
nlohmann::json metrics_over_rounds(const std::vector<std::vector<MetricValue>>& rounds);
/// {"latency_p99": 0.001, ...}: only what was measured.
nlohmann::json values_json(const std::vector<MetricValue>& metrics);

/// How metrics were judged, and one that was.
nlohmann::json method_json(const CompareOptions& options);
nlohmann::json compared_metric_json(const MetricComparison& metric);

/// What the harness alone cost under the same load: the median over `trials` of each metric.
nlohmann::json harness_json(const std::vector<const std::vector<MetricValue>*>& trials);

/// About 60 points [quantile, seconds] from 0.1 to the largest quantile that has a 95 % interval
/// with so many samples, equally spaced in log(1 - quantile): as many points for 0.9 to 0.99 as for
/// 0.99 to 0.999. Empty below 6 samples.
nlohmann::json curve_json(const Histogram& histogram);

}  // namespace crucible::lab
