#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>

#include "lab/record/activity.h"
#include "lab/scale/bottleneck.h"
#include "lab/scale/resource_limits.h"

namespace crucible::lab::scale {

/// As in docs/formats: {verdict, confidence, why_confidence, reason, evidence, excluded,
/// intervention}.
nlohmann::json bottleneck_json(const BottleneckJudgement& judgement);

/// The activity that a verdict rests on, and what sampling it cost.
nlohmann::json activity_json(const ActivityReport& report);

/// A list, the nearest limit first.
nlohmann::json limits_json(std::span<const LimitForecast> forecasts);

}  // namespace crucible::lab::scale
