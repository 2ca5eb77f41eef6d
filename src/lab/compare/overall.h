#pragma once

#include "lab/compare/comparison.h"

namespace crucible::lab {

/// Fills the overall verdict and its reasons from the judged metrics and the delivery counts, by
/// the table in docs/design/verdict.md.
void decide_overall(const Experiment& experiment, Comparison& comparison);

}  // namespace crucible::lab
