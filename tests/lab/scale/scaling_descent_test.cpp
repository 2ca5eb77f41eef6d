// What follows an overload on the same system.
#include <gtest/gtest.h>

#include <chrono>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

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

// One trial has the overload, what may recover and what counts: each is told by its own name and
// load.
TEST(ScalingDescent, TellsEachLoadByItsStage) {
    auto options = descent_of({});
    options.run = [run = simulated_trials({{"daemon", {.capacity = 1'300}}})](
                      const TargetUrl& target, const SystemOptions& system, const Plan& plan,
                      const TrialOptions& how) mutable {
        for (const auto& phase : plan.phases) how.on_progress({.phase = phase.name});
        return run(target, system, plan, how);
    };
    using Told = std::vector<std::pair<std::string, double>>;
    Told shown;
    Told told;
    options.on_progress = [&shown](const ScalingProgress& at) {
        shown.emplace_back(at.what, at.load);
    };
    options.on_step = [&told](const ScalingStep& step) {
        told.emplace_back(step.what, step.trial.load);
    };
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling && scaling->targets[0].limit);
    const auto& limit = *scaling->targets[0].limit;
    Told expected;
    for (const auto& trial : limit.trials)
        expected.emplace_back(std::string(to_string(trial.stage)), trial.load);
    // The last of three that count was not needed.
    ASSERT_EQ(told.size(), expected.size() + 1);
    EXPECT_EQ(told.back(), expected.back());
    told.pop_back();
    EXPECT_EQ(told, expected);
    for (auto& [what, load] : expected)
        if (what == "recover") what = "descend";
    expected.push_back(expected.back());
    EXPECT_EQ(shown, expected);
}

// The way down is one run with its overload. Where the time is up or the user ends it right after
// that, what it has measured is told.
TEST(ScalingDescent, TellsWhatWasMeasuredBeforeItsEnd) {
    for (const bool by_user : {false, true}) {
        TrialClock clock;
        std::stop_source stop;
        auto options = descent_of(simulated_trials({{"daemon", {.capacity = 1'300}}}));
        options.clock = &clock;
        options.time_budget = 1h;
        options.stop = stop.get_token();
        options.run = [&, run = options.run](const TargetUrl& target, const SystemOptions& system,
                                             const Plan& plan, const TrialOptions& how) {
            auto trial = run(target, system, plan, how);
            if (plan.phases.size() == 1) return trial;
            if (by_user) {
                stop.request_stop();
            } else {
                clock.pass(2h);
            }
            return trial;
        };
        const auto scaling = run_scaling(options);
        ASSERT_TRUE(scaling && scaling->targets[0].limit);
        const auto& limit = *scaling->targets[0].limit;
        EXPECT_EQ(limit.point.ending, Ending::found);
        ASSERT_TRUE(limit.point.hysteresis) << limit.hysteresis_absent;
        EXPECT_FALSE(limit.point.hysteresis->present);
        EXPECT_EQ(limit.hysteresis_absent, "");
        EXPECT_EQ(limit.recovery_seconds, 0);
        EXPECT_EQ(scaling->interrupted, by_user);
    }
}

// What is left to be run is not, and the search says so.
TEST(ScalingDescent, RunsNothingAfterItsTime) {
    TrialClock clock;
    auto options = descent_of(
        simulated_queue_trials({.service = 1ms, .workers = 1, .retry = 100ms, .seed = 1}));
    options.clock = &clock;
    options.time_budget = 1h;
    int overloads = 0;
    options.run = [&, run = options.run](const TargetUrl& target, const SystemOptions& system,
                                         const Plan& plan, const TrialOptions& how) {
        if (plan.phases.size() > 1 && ++overloads == 1) clock.pass(2h);
        return run(target, system, plan, how);
    };
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling && scaling->targets[0].limit);
    const auto& limit = *scaling->targets[0].limit;
    EXPECT_EQ(overloads, 1);
    ASSERT_TRUE(limit.point.hysteresis);
    EXPECT_TRUE(limit.point.hysteresis->present);
    EXPECT_EQ(limit.hysteresis_absent, "the time or the user ended it first");
    EXPECT_EQ(limit.why_not_over, "the time was up first");
    EXPECT_TRUE(scaling->out_of_time);
}

}  // namespace
}  // namespace crucible::lab::scale
