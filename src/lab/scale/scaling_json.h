#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>

#include "lab/compare/comparison.h"
#include "lab/scale/curve_comparison.h"
#include "lab/scale/scaling.h"

namespace crucible::lab::scale {

/// `crucible.scaling/1` (docs/formats/scaling.schema.json).
nlohmann::json scaling_json(const RunFacts& facts, const ScalingOptions& options,
                            const Scaling& scaling);

/// Its `curves`: the laws of so many rounds against each other, or why there is nothing to compare.
nlohmann::json curve_comparison_json(const CurveComparison& compared, std::size_t rounds);

}  // namespace crucible::lab::scale
