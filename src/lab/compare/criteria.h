#pragma once

#include <string>
#include <vector>

#include "lab/compare/comparison.h"

namespace crucible::lab {

/// What a migration should have answered, each judged from what this comparison measured; where it
/// measured nothing of it, `evidence` says what would.
std::vector<Criterion> judge_criteria(const Experiment& experiment, const Comparison& comparison,
                                      const CompareOptions& options);

/// "+12.3 %", or "+3 events" where there is no ratio; the verdict's name where there is neither.
std::string change_of(const MetricComparison& metric);

}  // namespace crucible::lab
