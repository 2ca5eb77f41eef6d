#pragma once

#include <string>

#include "lab/compare/comparison.h"

namespace crucible::lab {

/// A ratio as reasons name it: "+36.5 % [+30.4, +44.9]", without an interval where it has none.
std::string percent_text(const Estimate& ratio);

/// Fills the overall verdict and its reasons from the judged metrics and the delivery counts, by
/// the table in docs/design/verdict.md.
void decide_overall(const Experiment& experiment, Comparison& comparison);

}  // namespace crucible::lab
