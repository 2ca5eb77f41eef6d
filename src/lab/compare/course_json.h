#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

#include "lab/run/trial.h"

namespace crucible::lab {

/// The members `series` of result files (docs/formats/README.md): the course of every phase of one
/// trial.
nlohmann::json series_json(const std::vector<PhaseResult>& phases);

/// The members `segments`: the stretches of patterns that have several, pooled over trials of one
/// plan, each given by its phases.
nlohmann::json segments_json(std::span<const std::vector<PhaseResult>* const> trials);

}  // namespace crucible::lab
