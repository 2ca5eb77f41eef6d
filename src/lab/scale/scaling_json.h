#pragma once

#include <nlohmann/json_fwd.hpp>

#include "lab/compare/comparison.h"
#include "lab/scale/scaling.h"

namespace crucible::lab::scale {

/// `crucible.scaling/1` (docs/formats/scaling.schema.json).
nlohmann::json scaling_json(const RunFacts& facts, const ScalingOptions& options,
                            const Scaling& scaling);

}  // namespace crucible::lab::scale
