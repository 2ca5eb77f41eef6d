#pragma once

#include "lab/compare/comparison.h"

namespace crucible::lab {

/// Holds a prediction against what was found, by the interval that holds at any number of rounds:
/// met when the interval lies within the prediction, exceeded when it lies beyond its better end,
/// missed when beyond its worse end, not proven otherwise.
ExpectationResult judge_expectation(const Expectation& expectation, const MetricComparison& found);

}  // namespace crucible::lab
