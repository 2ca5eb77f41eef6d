#pragma once

#include <chrono>

#include "lab/scale/scaling.h"

namespace crucible::lab::scale {

/// What every scaling of simulated systems has, with trials of 2 s and searches from 100/s up.
inline ScalingOptions simulated_scaling() {
    ScalingOptions options;
    options.scenario = {
        .name = "any", .description = {}, .system = {}, .plan = {}, .expectations = {}};
    options.scenario.plan.phases = {steady_phase(*base::Rate::per_second(1'000), 2'000)};
    options.search.lowest = 100;
    options.search.highest = 100'000;
    options.search.goal.final_trial_duration = 1.9;
    options.search.goal.duration_sum = 5.7;
    options.slo = *Slo::parse("latency_p99<10ms");
    options.soak = std::chrono::seconds(4);
    return options;
}

}  // namespace crucible::lab::scale
