// What a search of rates has to have shown before a number of instances is told.
#include <gtest/gtest.h>

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "lab/scale/scaling.h"
#include "simulated_scaling.h"
#include "simulated_trial.h"

namespace crucible::lab::scale {
namespace {

using namespace std::chrono_literals;

/// A search of `system` and nothing else, with a demand.
ScalingOptions planned(const SimulatedSystem& system) {
    auto options = simulated_scaling();
    options.targets = {*parse_target("daemon:")};
    options.rounds = 0;
    options.bottleneck = false;
    options.demand = Demand{.rate = 2'000};
    options.run = simulated_trials({{"daemon", system}});
    return options;
}

TargetScaling result_of(const ScalingOptions& options) {
    const auto scaling = run_scaling(options);
    EXPECT_TRUE(scaling);
    return scaling ? scaling->targets[0] : TargetScaling{};
}

/// The same where trials are as `change` makes them, by the stage of the search.
TargetScaling result_where(ScalingOptions options,
                           const std::function<void(std::string_view, TrialResult&)>& change) {
    std::string stage;
    options.on_progress = [&stage](const ScalingProgress& at) { stage = at.what; };
    options.run = [&, run = options.run](const TargetUrl& target, const SystemOptions& system,
                                         const Plan& plan, const TrialOptions& how) mutable {
        how.on_progress({});
        auto trial = run(target, system, plan, how);
        if (trial) change(stage, *trial);
        return trial;
    };
    return result_of(options);
}

void be_late(TrialResult& trial) {
    trial.phases = {simulated_phase(trial.phases.front().phase, 1'000, {.own_lateness = 20ms})};
    trial.checks = trial_checks(trial.phases);
}

// What nobody has seen it hold for longer is no capacity: not where the only soak said nothing, and
// not where one broke and the next said nothing. Where none was asked for, trials are all there is.
TEST(ScalingForecast, TakesASoakThatPassed) {
    for (const bool one_broke : {false, true}) {
        std::size_t soaks = 0;
        const auto target = result_where(planned({.capacity = 1'300}),
                                         [&](std::string_view stage, TrialResult& trial) {
                                             if (stage != to_string(Stage::soak)) return;
                                             if (++soaks == 1 && one_broke) {
                                                 trial.failure = Error{Errc::failed, "it died"};
                                             } else {
                                                 be_late(trial);
                                             }
                                         });
        EXPECT_EQ(target.limit->point.reopened, one_broke ? 1U : 0U);
        EXPECT_FALSE(target.forecast);
        EXPECT_TRUE(target.why_no_forecast.starts_with(
            "whether it holds this for longer is not known: 3 trials in a row were not valid"))
            << target.why_no_forecast;
    }
    auto options = planned({.capacity = 1'300});
    options.search.soaks = false;
    EXPECT_TRUE(result_of(options).forecast);
}

// What a search has not come to an end with is no capacity. Once the soak has passed only the way
// down is left, of which no forecast is made.
TEST(ScalingForecast, TakesASearchThatIsOver) {
    for (const auto ended_in : {Stage::ramp, Stage::confirm, Stage::soak, Stage::overload}) {
        std::stop_source stop;
        auto options = planned({.capacity = 1'300});
        options.stop = stop.get_token();
        const auto target =
            result_where(std::move(options), [&](std::string_view stage, TrialResult& trial) {
                if (stage != to_string(ended_in)) return;
                stop.request_stop();
                trial.interrupted = true;
            });
        const bool only_way_down_left = ended_in == Stage::overload;
        EXPECT_EQ(target.limit->point.ending, Ending::running);
        EXPECT_EQ(target.forecast.has_value(), only_way_down_left);
        EXPECT_EQ(target.why_no_forecast,
                  only_way_down_left ? "" : "the search was not over: the user ended it first");
    }
}

// Nor where the time is up, or where the target does not start again.
TEST(ScalingForecast, SaysWhyTheSearchWasNotOver) {
    EXPECT_EQ(result_of(planned({.capacity = 1e6, .dies_at = 1'000, .never_starts_again = true}))
                  .why_no_forecast,
              "the search was not over: the target does not start again");
    TrialClock clock;
    auto options = planned({.capacity = 1'300});
    options.clock = &clock;
    options.time_budget = 30s;
    options.run = [&clock, run = options.run](const TargetUrl& target, const SystemOptions& system,
                                              const Plan& plan, const TrialOptions& how) mutable {
        for (const auto& phase : plan.phases) clock.pass(phase.duration());
        return run(target, system, plan, how);
    };
    EXPECT_EQ(result_of(options).why_no_forecast, "the search was not over: the time was up first");
}

}  // namespace
}  // namespace crucible::lab::scale
