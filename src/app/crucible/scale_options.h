#pragma once

#include <string>
#include <vector>

#include "app/crucible/load_options.h"
#include "lab/scale/scaling.h"

namespace crucible::app {

/// What `crucible scale` was asked for, as the user wrote it; empty where not given.
struct ScaleOptions {
    std::vector<std::string> targets;
    std::string axis = "rate";
    std::string slo;
    std::string range;
    std::string points;
    std::string soak;
    std::string time_budget;
    std::string forecast;
    std::string peak_factor;
    std::string headroom;
    std::string drain;
    LoadOptions load;
};

void add_scale_options(CLI::App& command, ScaleOptions& options);

/// What to measure. - Errc::invalid_argument, Errc::not_found: one line for the user.
Result<lab::scale::ScalingOptions> resolve_scaling(const ScaleOptions& asked);

}  // namespace crucible::app
