#pragma once

#include "lab/compare/comparison.h"

namespace crucible::lab {

/// What follows from the verdicts: criteria of a migration, recommendations and risks. Every
/// sentence names the measured fact it rests on; where nothing was measured it says so, or is not
/// there. Pure: the same comparison gives the same assessment.
Assessment assess(const Experiment& experiment, const Comparison& comparison,
                  const CompareOptions& options);

}  // namespace crucible::lab
