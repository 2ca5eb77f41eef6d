// What follows an overload on the same system.
#include <gtest/gtest.h>

#include <chrono>

#include "lab/scale/scaling.h"
#include "simulated_queue.h"
#include "simulated_scaling.h"
#include "simulated_trial.h"

namespace crucible::lab::scale {
namespace {

using namespace std::chrono_literals;

ScalingOptions descent_of(TrialFunction run) {
    auto options = simulated_scaling();
    options.targets = {*parse_target("daemon:")};
    options.rounds = 0;
    options.bottleneck = false;
    options.run = std::move(run);
    return options;
}

// A server of 1 ms does 1,000/s, and from 995/s up it is late for dozens of trials after an
// overload: that is no hysteresis.
TEST(ScalingDescent, CallsNoQueueHystereticNearTheLowestLoad) {
    auto options = descent_of(simulated_queue_trials({.service = 1ms, .workers = 1, .seed = 1}));
    options.search.lowest = 995;
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling && scaling->targets[0].limit);
    const auto& limit = *scaling->targets[0].limit;
    ASSERT_TRUE(limit.point.lower_bound && limit.point.upper_bound);
    EXPECT_FALSE(limit.point.hysteresis);
    EXPECT_EQ(limit.hysteresis_absent,
              "no load is in the range at which the backlog of an overload would be gone in time");
}

}  // namespace
}  // namespace crucible::lab::scale
