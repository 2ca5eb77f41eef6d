#pragma once

#include "lab/compare/comparison.h"

namespace crucible::lab {

/// Compares one metric over the valid rounds of a scenario. `family` metrics are judged together.
MetricComparison judge_metric(const std::vector<Round>& rounds, const MetricInfo& info,
                              const CompareOptions& options, std::size_t family);

}  // namespace crucible::lab
