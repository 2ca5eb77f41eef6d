#include "lab/scale/scaling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lab/scale/scaling_json.h"
#include "simulated_queue.h"
#include "simulated_scaling.h"
#include "simulated_trial.h"

namespace crucible::lab::scale {
namespace {

using namespace std::chrono_literals;

ScalingOptions scaling_of(std::vector<std::string> targets, Axis axis,
                          std::map<std::string, SimulatedSystem> systems) {
    auto options = simulated_scaling();
    for (const auto& text : targets) options.targets.push_back(*parse_target(text));
    options.axis = axis;
    if (axis != Axis::rate) {
        options.scenario.plan.phases = {maximum_phase(1s)};
        options.slo = {};
    }
    options.rounds = 2;
    systems.try_emplace("null", SimulatedSystem{.capacity = 1e6});
    options.run = simulated_trials(std::move(systems));
    return options;
}

/// With an SLO, and a search between the ends of the points.
void search_for(ScalingOptions& options, std::string_view slo, std::vector<double> points) {
    options.slo = *Slo::parse(slo);
    options.search.lowest = points.front();
    options.search.highest = points.back();
    options.points = std::move(points);
}

const std::vector<double>& loads_of(const Scaling& scaling, std::size_t target) {
    static std::vector<double> loads;
    loads.clear();
    for (const auto& point : scaling.targets[target].sweep.points) loads.push_back(point.load);
    return loads;
}

// The truth lies between the bounds of each; then both are measured at the same loads, below the
// lower of the two and beyond the higher.
TEST(Scaling, FindsWhereEachBreaks) {
    const auto scaling = run_scaling(
        scaling_of({"coordinator:", "daemon:"}, Axis::rate,
                   {{"coordinator", {.capacity = 1'300}}, {"daemon", {.capacity = 7'700}}}));
    ASSERT_TRUE(scaling) << scaling.error().message;
    const double truths[] = {1'300, 7'700};
    for (std::size_t i = 0; i < 2; ++i) {
        const auto& limit = *scaling->targets[i].limit;
        ASSERT_TRUE(limit.point.lower_bound && limit.point.upper_bound && limit.point.estimate);
        EXPECT_LE(*limit.point.lower_bound, truths[i] * 1.005);
        EXPECT_GE(*limit.point.upper_bound, truths[i]);
        EXPECT_LE(limit.point.estimate->interval.low, truths[i] * 1.005);
        EXPECT_GE(limit.point.estimate->interval.high, truths[i]);
        EXPECT_EQ(limit.point.soak_passed, true);
        ASSERT_TRUE(limit.point.hysteresis);
        EXPECT_FALSE(limit.point.hysteresis->present);
        EXPECT_FALSE(limit.broken.empty());
    }
    const auto loads = loads_of(*scaling, 0);
    EXPECT_EQ(loads, loads_of(*scaling, 1));
    EXPECT_LT(loads.front(), 1'300);
    EXPECT_GT(loads.back(), 7'700);
    EXPECT_EQ(scaling->targets[0].sweep.points.front().held, 2U);
    EXPECT_EQ(scaling->targets[0].sweep.points.back().broken, 2U);
}

// What a system loses while it holds its SLO is not throughput at its limit.
TEST(Scaling, CountsWhatIsLostAtTheLimit) {
    auto options =
        scaling_of({"daemon:"}, Axis::rate, {{"daemon", {.capacity = 1'300, .lost_share = 0.1}}});
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling);
    const auto& point = scaling->targets[0].limit->point;
    ASSERT_TRUE(point.lower_bound && point.conditional_throughput);
    EXPECT_NEAR(*point.conditional_throughput, 0.9 * *point.lower_bound, 1);
}

// A p99 takes 10 s at 100/s instead of 2: each trial counts as one all the same.
TEST(Scaling, DoesNotSearchWhatIsBrokenAtTheLowestLoad) {
    auto options = scaling_of({"daemon:"}, Axis::rate, {{"daemon", {.latency = 20ms}}});
    options.rounds = 0;
    options.bottleneck = false;
    std::vector<double> tried;
    options.on_step = [&](const ScalingStep& step) { tried.push_back(step.trial.load); };
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling);
    EXPECT_EQ(scaling->targets[0].limit->point.ending, Ending::below_lowest);
    EXPECT_EQ(tried, std::vector<double>(4, 100));
    EXPECT_TRUE(scaling->targets[0].limit->detail.starts_with("latency_p99<10ms broken: 20"))
        << scaling->targets[0].limit->detail;
}

// A system that dies at 4,000/s has its limit there, and lower loads are measured on.
TEST(Scaling, TakesDeathForALimit) {
    const auto scaling = run_scaling(
        scaling_of({"daemon:"}, Axis::rate, {{"daemon", {.capacity = 1e6, .dies_at = 4'000}}}));
    ASSERT_TRUE(scaling);
    const auto& limit = *scaling->targets[0].limit;
    EXPECT_EQ(limit.broken, kBrokenTarget);
    EXPECT_EQ(limit.death, "it was killed by signal 9");
    EXPECT_NEAR(*limit.died_at, 4'000, 160);
    ASSERT_TRUE(limit.point.lower_bound);
    EXPECT_NEAR(*limit.point.lower_bound, 4'000, 160);
    EXPECT_FALSE(scaling->failure);
    EXPECT_GT(scaling->targets[0].sweep.points.front().held, 0U);
}

// Along the other axes, too, the result has where and of what it died.
TEST(Scaling, TakesDeathForALimitOfClients) {
    auto options =
        scaling_of({"daemon:"}, Axis::clients, {{"daemon", {.capacity = 1e6, .dies_at = 400}}});
    search_for(options, "throughput>=50/s", {1, 2, 4, 8});
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling);
    const auto point = scaling_json({}, options, *scaling)["targets"][0]["breaking_point"];
    EXPECT_EQ(point["lower"], 3);
    EXPECT_EQ(point["upper"], 4);
    EXPECT_EQ(point["slo_broken"], "target");
    EXPECT_EQ(point["died"]["load"], 4);
    EXPECT_EQ(point["died"]["message"], "it was killed by signal 9");
}

/// Loads of the phases of each trial that had several.
std::shared_ptr<std::vector<std::vector<double>>> keep_series(ScalingOptions& options) {
    auto series = std::make_shared<std::vector<std::vector<double>>>();
    options.run = [run = options.run, series](const TargetUrl& target, const SystemOptions& system,
                                              const Plan& plan, const TrialOptions& how) {
        if (plan.phases.size() > 1) {
            series->emplace_back();
            for (const auto& phase : plan.phases) {
                const double seconds = std::chrono::duration<double>(phase.duration()).count();
                series->back().push_back(static_cast<double>(phase.events()) / seconds);
            }
        }
        return run(target, system, plan, how);
    };
    return series;
}

// What is asked for on the same system after the overload is what the search asks for next: not one
// trial of it is run in vain. Before that it has as long as its lower bound needs for the backlog:
// (overload - lower) / (lower - load) trials, and one more.
TEST(Scaling, GoesDownFromOneOverload) {
    auto options = scaling_of({"daemon:"}, Axis::rate, {{"daemon", {.capacity = 1'300}}});
    const auto series = keep_series(options);
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling);
    const auto& limit = *scaling->targets[0].limit;
    ASSERT_TRUE(limit.point.hysteresis);
    EXPECT_FALSE(limit.point.hysteresis->present);
    ASSERT_EQ(series->size(), 1U);
    const double lower = *limit.point.lower_bound;
    const double overload = 1.2 * *limit.point.upper_bound;
    const auto recovery =
        static_cast<std::size_t>(std::ceil((overload - lower) / (0.05 * lower))) + 1;
    ASSERT_EQ(series->front().size(), 1 + recovery + 3);
    EXPECT_NEAR(series->front()[0], overload, 1);
    for (std::size_t i = 1; i < series->front().size(); ++i)
        EXPECT_NEAR(series->front()[i], 0.95 * lower, 1);
    const auto of_stage = [&limit](Stage stage) {
        return static_cast<std::size_t>(
            std::ranges::count(limit.trials, stage, &LimitFound::Trial::stage));
    };
    EXPECT_EQ(of_stage(Stage::overload), 1U);
    EXPECT_EQ(of_stage(Stage::recover), recovery);
    EXPECT_GE(of_stage(Stage::descend), 2U);
    // This one is back at once.
    EXPECT_EQ(limit.recovery_seconds, 0);
    EXPECT_NEAR(limit.recovery_allowed_seconds.value_or(0), 2.0 * static_cast<double>(recovery),
                0.1);
}

/// One server of 1 ms: 1,000/s. Trials of 2 s.
LimitFound limit_of_queue(Duration retry) {
    auto options = scaling_of({"daemon:"}, Axis::rate, {});
    options.run = simulated_queue_trials(
        {.service = 1ms, .workers = 1, .stall = {}, .retry = retry, .seed = 1});
    options.rounds = 0;
    const auto scaling = run_scaling(options);
    EXPECT_TRUE(scaling && scaling->targets[0].limit);
    return scaling->targets[0].limit.value_or(LimitFound{});
}

// The queue is late until it has worked off what the overload left, and says how long that takes.
// With a rest in between nothing of it would be seen, judged at once it would be called hysteresis.
TEST(Scaling, TellsHowLongAQueueTakesToRecover) {
    const auto limit = limit_of_queue(Duration::zero());
    ASSERT_TRUE(limit.point.lower_bound && limit.point.upper_bound && limit.point.hysteresis);
    EXPECT_FALSE(limit.point.hysteresis->present) << limit.hysteresis_absent;
    const double overload = 1.2 * *limit.point.upper_bound;
    const double load = 0.95 * *limit.point.lower_bound;
    const double drained = 2 * (overload - 1'000) / (1'000 - load);
    ASSERT_TRUE(limit.recovery_seconds && limit.recovery_allowed_seconds);
    // Of 10 ms of wait and a percent of the events the limit knows nothing.
    EXPECT_GE(*limit.recovery_seconds, 0.9 * drained);
    EXPECT_LE(*limit.recovery_seconds, drained + 2.1);
    EXPECT_LE(*limit.recovery_seconds, *limit.recovery_allowed_seconds);
    const auto first = std::ranges::find(limit.trials, Stage::recover, &LimitFound::Trial::stage);
    ASSERT_NE(first, limit.trials.end());
    EXPECT_EQ(first->broken, "latency_p99<10ms");
}

// What waits for 100 ms is asked for again: work that the overload has made keeps the queue late at
// loads that it had held. It comes back, if at all, where it has time to serve each event twice.
TEST(Scaling, SeesThatRetriesKeepAQueueOverloaded) {
    const auto limit = limit_of_queue(100ms);
    ASSERT_TRUE(limit.point.lower_bound && limit.point.hysteresis);
    EXPECT_NEAR(*limit.point.lower_bound, 1'000, 50);
    EXPECT_EQ(limit.point.soak_passed, true);
    EXPECT_TRUE(limit.point.hysteresis->present);
    ASSERT_TRUE(limit.point.hysteresis->broken_down_to);
    EXPECT_LT(*limit.point.hysteresis->broken_down_to, 700);
    EXPECT_LT(limit.point.hysteresis->recovers_at.value_or(0), 500);
    EXPECT_GT(limit.recovery_allowed_seconds.value_or(0), 4);
    EXPECT_EQ(limit.recovery_seconds.has_value(), limit.point.hysteresis->recovers_at.has_value());
}

// Breaks at 4,000/s and dies at 4,400, of which the overload is more: nothing comes after it, and
// nothing is said of hysteresis.
TEST(Scaling, SaysThatItDiedOfTheOverload) {
    auto options =
        scaling_of({"daemon:"}, Axis::rate, {{"daemon", {.capacity = 4'000, .dies_at = 4'400}}});
    options.search.lowest = 1'000;
    options.search.highest = 4'900;
    const auto series = keep_series(options);
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling);
    const auto& limit = *scaling->targets[0].limit;
    ASSERT_TRUE(limit.point.upper_bound);
    EXPECT_NEAR(*limit.point.upper_bound, 4'000, 160);
    EXPECT_FALSE(limit.point.hysteresis);
    EXPECT_EQ(limit.hysteresis_absent, "it died of the overload");
    EXPECT_EQ(series->size(), 1U);
    ASSERT_FALSE(limit.trials.empty());
    EXPECT_EQ(limit.trials.back().stage, Stage::overload);
    EXPECT_EQ(limit.trials.back().broken, kBrokenTarget);
    EXPECT_GE(limit.died_at.value_or(0), 4'400);
    // What broke at 4,000 was not that, and is looked for; a simulated system has no threads.
    EXPECT_TRUE(scaling->targets[0].why_no_insight.starts_with("its processes are not known"))
        << scaling->targets[0].why_no_insight;
}

TEST(Scaling, SaysWhyNothingIsSaidOfWhatBinds) {
    auto options =
        scaling_of({"daemon:"}, Axis::rate, {{"daemon", {.capacity = 1e6, .dies_at = 1'000}}});
    const auto died = run_scaling(options);
    ASSERT_TRUE(died);
    EXPECT_EQ(died->targets[0].why_no_insight, "the target died there");
    options.bottleneck = false;
    const auto not_asked = run_scaling(options);
    ASSERT_TRUE(not_asked);
    EXPECT_EQ(not_asked->targets[0].why_no_insight, "");
}

// Off the axis of rates, too, what binds is looked for where the SLO breaks, not where most is
// done.
TEST(Scaling, LooksWhereTheSloBreaks) {
    auto options = scaling_of({"daemon:"}, Axis::clients, {{"daemon", {}}});
    search_for(options, "throughput<450/s", {1, 2, 4, 6, 8});
    std::vector<std::uint32_t> clients;
    options.run = [&clients, run = options.run](const TargetUrl& target,
                                                const SystemOptions& system, const Plan& plan,
                                                const TrialOptions& how) mutable {
        clients.push_back(plan.clients);
        return run(target, system, plan, how);
    };
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling);
    EXPECT_EQ(scaling->targets[0].degradation->best_load.value, 8);
    EXPECT_EQ(scaling->targets[0].limit->point.upper_bound, 5);
    EXPECT_EQ(clients.back(), 5U);
}

// 80 MB with 30 MB of load generators are 50 of the target's, along every axis.
TEST(Scaling, JudgesMemoryNetOfTheHarness) {
    for (const auto axis : {Axis::rate, Axis::clients, Axis::workers}) {
        auto options = scaling_of({"daemon:"}, axis,
                                  {{"daemon", {.capacity = 1e6, .memory_bytes = 80e6}},
                                   {"null", {.capacity = 1e6, .memory_bytes = 30e6}}});
        options.search.highest = 10'000;
        options.slo = *Slo::parse("memory_peak<=64MiB");
        if (axis != Axis::rate) search_for(options, options.slo.text, {1, 2});
        std::size_t told = 0;
        options.on_step = [&told](const ScalingStep& step) {
            ++told;
            EXPECT_TRUE(step.trial.held()) << step.trial.invalid << step.trial.detail;
        };
        const auto scaling = run_scaling(options);
        ASSERT_TRUE(scaling);
        const auto& target = scaling->targets[0];
        EXPECT_EQ(target.limit->point.ending, Ending::above_highest);
        EXPECT_GE(told, 7U);  // a search of three trials, and two points in two rounds
    }
}

// One breaks at the lowest rate, the other at none: shares of the first one's limit, which is
// known as broken only, lie among those of the other.
TEST(Scaling, MeasuresCurvesAtRisingLoads) {
    auto options = scaling_of({"coordinator:", "daemon:"}, Axis::rate,
                              {{"coordinator", {.capacity = 90}}, {"daemon", {.capacity = 1e6}}});
    options.search.highest = 10'000;
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling);
    const auto loads = loads_of(*scaling, 0);
    EXPECT_EQ(loads.size(), 7U);
    EXPECT_TRUE(std::ranges::is_sorted(loads));
}

// One of another's that died stays dead: what was held before is kept.
TEST(Scaling, EndsWhereTheTargetDoesNotStartAgain) {
    const auto scaling = run_scaling(
        scaling_of({"daemon:"}, Axis::rate,
                   {{"daemon", {.capacity = 1e6, .dies_at = 1'000, .never_starts_again = true}}}));
    ASSERT_TRUE(scaling);
    const auto& limit = *scaling->targets[0].limit;
    EXPECT_EQ(limit.death, "it was killed by signal 9");
    EXPECT_LE(*limit.died_at, 1'600);
    EXPECT_FALSE(limit.trials.empty());
}

TEST(Scaling, FailsWhereATargetNeverStartsOrNeverWorks) {
    const SimulatedSystem unreachable{.starts = false};
    const SimulatedSystem useless{.works = false};
    for (const auto axis : {Axis::rate, Axis::clients}) {
        for (const bool starts : {false, true}) {
            auto options =
                scaling_of({"daemon:"}, axis, {{"daemon", starts ? useless : unreachable}});
            if (axis == Axis::clients) options.points = {1, 2};
            const auto scaling = run_scaling(options);
            ASSERT_TRUE(scaling);
            ASSERT_TRUE(scaling->failure);
            EXPECT_EQ(scaling->failure->message,
                      starts ? "daemon:: it exited with code 127" : "daemon:: connection refused");
        }
    }
}

// What fails at once from 64 clients on has its limit there, whichever loads are drawn first.
TEST(Scaling, MeasuresBelowLoadsThatFailAtOnce) {
    for (const bool starts : {false, true}) {
        for (const std::uint64_t seed : {1U, 2U, 3U, 4U, 5U, 6U}) {
            auto options = scaling_of({"daemon:"}, Axis::clients, {});
            options.points = {1, 64, 128, 256};
            options.seed = seed;
            options.run = [works = simulated_trials({{"daemon", {}}, {"null", {.capacity = 1e6}}}),
                           fails = simulated_trials({{"daemon", {.starts = starts, .works = false}},
                                                     {"null", {.capacity = 1e6}}})](
                              const TargetUrl& target, const SystemOptions& system,
                              const Plan& plan, const TrialOptions& how) mutable {
                return (plan.clients < 64 ? works : fails)(target, system, plan, how);
            };
            const auto scaling = run_scaling(options);
            ASSERT_TRUE(scaling);
            ASSERT_FALSE(scaling->failure) << scaling->failure->message;
            const auto& sweep = scaling->targets[0].sweep;
            EXPECT_EQ(sweep.points[0].held, 2U);
            const auto limit = limit_of(sweep);
            EXPECT_EQ(limit.has_value(), starts);
            if (starts) {
                EXPECT_EQ(limit->upper, 64);
            }
        }
    }
}

// One that never starts is not tried at every load.
TEST(Scaling, FailsBeforeItHasTriedEveryLoad) {
    for (const std::uint64_t seed : {1U, 2U, 3U, 4U, 5U, 6U}) {
        auto options = scaling_of({"daemon:"}, Axis::clients, {{"daemon", {.starts = false}}});
        options.points = {1, 2, 4, 8, 16, 32};
        options.seed = seed;
        int tried = 0;
        options.on_step = [&tried](const ScalingStep&) { ++tried; };
        const auto scaling = run_scaling(options);
        ASSERT_TRUE(scaling && scaling->failure);
        EXPECT_LE(tried, 3);
    }
}

// All rounds of a curve are measured alike: no thread is sampled in any of them, and limits are
// read in each, as only rounds tell how far what is used differs by chance.
TEST(Scaling, MeasuresTheFirstRoundLikeTheOthers) {
    auto options = scaling_of({"daemon:"}, Axis::clients, {{"daemon", {.capacity = 600}}});
    options.points = {1, 2};
    options.bottleneck = false;
    std::size_t limits = 0;
    std::size_t trials = 0;
    options.run = [&, run = options.run](const TargetUrl& target, const SystemOptions& system,
                                         const Plan& plan, const TrialOptions& how) mutable {
        ++trials;
        EXPECT_FALSE(how.activity);
        if (how.limits) ++limits;
        auto trial = run(target, system, plan, how);
        if (how.limits && trial) trial->phases.front().limits = {{.name = "threads"}};
        return trial;
    };
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling);
    EXPECT_EQ(trials, 8U);
    EXPECT_EQ(limits, 4U);
    ASSERT_EQ(scaling->targets[0].limit_uses.size(), 4U);
    EXPECT_FALSE(scaling->targets[0].limit_uses[0].uses.empty());
    EXPECT_EQ(scaling->targets[0].limit_uses[1].round, 0U);
    EXPECT_EQ(scaling->targets[0].limit_uses[2].round, 1U);
}

// Capacity of 600: six clients of 100/s each reach it.
TEST(Scaling, FitsTheLawThroughThroughputAgainstClients) {
    auto options = scaling_of({"daemon:"}, Axis::clients, {{"daemon", {.capacity = 600}}});
    options.points = {1, 2, 3, 4, 6, 8};
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling);
    const auto& target = scaling->targets[0];
    EXPECT_FALSE(target.limit);
    ASSERT_EQ(target.sweep.points.size(), 6U);
    ASSERT_TRUE(target.law) << target.why_no_law;
    EXPECT_NEAR(target.law->law.gamma, 100, 20);
    ASSERT_TRUE(target.degradation);
    EXPECT_NEAR(target.degradation->best_throughput, 600, 1);
    EXPECT_EQ(target.degradation->best_load.absent, "2 of 2 rounds have every load; at least 5");
}

// With two loads, or an end in the first round, there is no law, and the result says so.
TEST(Scaling, SaysThatFewLoadsMakeNoLaw) {
    for (const std::uint32_t rounds : {1U, 3U}) {
        auto options = scaling_of({"daemon:"}, Axis::clients, {{"daemon", {}}});
        options.points = {1, 2};
        options.rounds = rounds;
        const auto scaling = run_scaling(options);
        ASSERT_TRUE(scaling);
        EXPECT_FALSE(scaling->targets[0].law);
        EXPECT_EQ(scaling->targets[0].why_no_law,
                  "fewer than four measurements at three loads, or no fit converges");
    }
}

// Curves are compared from two rounds on that have every load; why they are not is said.
TEST(Scaling, ComparesCurvesOrSaysWhyNot) {
    const auto curves = [](std::uint32_t rounds, std::vector<double> points) {
        auto options =
            scaling_of({"coordinator:", "daemon:"}, Axis::clients,
                       {{"coordinator", {.capacity = 600}}, {"daemon", {.capacity = 500}}});
        options.points = std::move(points);
        options.rounds = rounds;
        const auto scaling = run_scaling(options);
        EXPECT_TRUE(scaling);
        const auto comparison = scaling_json({}, options, *scaling)["comparisons"][0];
        EXPECT_EQ(comparison["over_loads"][0]["name"], "throughput");
        EXPECT_EQ(comparison["over_loads"][0]["loads"], options.points.size());
        EXPECT_EQ(comparison["over_loads"][0]["ratio"]["n"], rounds);
        return comparison["curves"];
    };
    const std::vector<double> six{1, 2, 3, 4, 6, 8};
    EXPECT_EQ(curves(1, six)["absent"], "1 of 1 rounds have every load of both; at least 2");
    EXPECT_EQ(curves(2, {1, 2})["absent"],
              "coordinator:: fewer than four measurements at three loads, or no fit converges");
    const auto compared = curves(2, six);
    ASSERT_TRUE(compared.contains("rounds")) << compared;
    EXPECT_EQ(compared["rounds"], 2);
    EXPECT_FALSE(compared["alpha_difference"].is_null());
}

// 30 MB of which 10 are the harness's; in a round in which the harness was not measured, none.
TEST(Scaling, KeepsNoGrossFigureBesideNetOnes) {
    for (const bool valid : {true, false}) {
        auto options =
            scaling_of({"daemon:"}, Axis::clients,
                       {{"daemon", {.memory_bytes = 30e6}},
                        {"null", {.own_lateness = valid ? 0ms : 20ms, .memory_bytes = 10e6}}});
        options.points = {1, 2};
        options.scenario.plan.phases = {steady_phase(*base::Rate::per_second(500), 500)};
        const auto scaling = run_scaling(options);
        ASSERT_TRUE(scaling);
        const auto& point = scaling->targets[0].sweep.points.front();
        ASSERT_EQ(point.metrics.size(), 2U);
        for (const auto& metric : point.metrics[0]) {
            if (metric.info->name != "memory_peak") continue;
            EXPECT_EQ(metric.value, valid ? std::optional(20e6) : std::nullopt);
            EXPECT_EQ(metric.absent, valid ? "" : "the harness alone was not valid in this round");
        }
    }
}

// At the breaking point half of the trials break: one instance carries what was held, no more. A
// limit of the injector's is none of the target's.
TEST(Scaling, ForecastsByWhatWasHeld) {
    auto options = scaling_of({"daemon:"}, Axis::rate, {{"daemon", {.capacity = 1'300}}});
    options.demand = Demand{.rate = 2'000};
    auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling);
    const auto& target = scaling->targets[0];
    ASSERT_TRUE(target.forecast && target.forecast->refused.empty());
    EXPECT_EQ(target.forecast->needed, 2);
    EXPECT_DOUBLE_EQ(target.forecast->capacity, 2 * *target.limit->point.lower_bound);
    EXPECT_GE(target.forecast->interval.high, 2);

    options = scaling_of({"daemon:"}, Axis::rate,
                         {{"daemon", {.capacity = 1e6, .late_from = 5'000, .own_lateness = 20ms}}});
    options.demand = Demand{.rate = 2'000};
    scaling = run_scaling(options);
    ASSERT_TRUE(scaling);
    EXPECT_EQ(scaling->targets[0].limit->point.ending, Ending::injector_limited);
    EXPECT_FALSE(scaling->targets[0].forecast);
    EXPECT_TRUE(scaling->targets[0].why_no_forecast.starts_with("the limit found is the injector"))
        << scaling->targets[0].why_no_forecast;
}

// From six clients on it is too slow: that they do 600/s is no capacity.
TEST(Scaling, ForecastsNoClientsThatBreakTheSlo) {
    auto options = scaling_of({"daemon:"}, Axis::clients, {});
    options.scenario.plan.phases = {maximum_phase(4s)};
    search_for(options, "latency_p99<10ms", {1, 2, 3, 4, 6, 8});
    options.demand = Demand{.rate = 500};
    options.run =
        [fast = simulated_trials({{"daemon", {.capacity = 600}}, {"null", {.capacity = 1e6}}}),
         slow = simulated_trials(
             {{"daemon", {.capacity = 600, .latency = 20ms}}, {"null", {.capacity = 1e6}}})](
            const TargetUrl& target, const SystemOptions& system, const Plan& plan,
            const TrialOptions& how) mutable {
            return (plan.clients < 6 ? fast : slow)(target, system, plan, how);
        };
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling);
    const auto& target = scaling->targets[0];
    ASSERT_TRUE(target.limit);
    ASSERT_TRUE(target.forecast) << target.why_no_forecast;
    EXPECT_EQ(target.limit->point.upper_bound, 6);
    EXPECT_EQ(std::ranges::count(target.forecast->refused, Refusal::slo_broken, &Refused::refusal),
              1);
    EXPECT_FALSE(target.forecast->measured_enough);
}

// What a soak does not hold is no capacity to plan with.
TEST(Scaling, ForecastsNothingWhereTheLastSoakFailed) {
    auto options = scaling_of({"daemon:"}, Axis::rate, {{"daemon", {.capacity = 1'300}}});
    options.demand = Demand{.rate = 2'000};
    options.search.lowest = 1'000;  // where a trial is of 2 s, and only a soak of 4 s
    options.run = [run = options.run](const TargetUrl& target, const SystemOptions& system,
                                      const Plan& plan, const TrialOptions& how) {
        auto trial = run(target, system, plan, how);
        if (trial && plan.phases.front().duration() > 3s)
            trial->failure = Error{Errc::failed, "it died"};
        return trial;
    };
    options.search.soaks_max = 1;
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling);
    EXPECT_EQ(scaling->targets[0].limit->point.ending, Ending::soak_failed);
    EXPECT_FALSE(scaling->targets[0].forecast);
    EXPECT_TRUE(scaling->targets[0].why_no_forecast.starts_with(
        "what it holds for a trial it does not hold for longer: the soak at 1,"))
        << scaling->targets[0].why_no_forecast;
}

// The same seed gives the same trials in the same order; another one another order.
TEST(Scaling, IsAFunctionOfItsSeed) {
    const auto order = [](std::uint64_t seed) {
        auto options = scaling_of({"coordinator:", "daemon:"}, Axis::clients,
                                  {{"coordinator", {}}, {"daemon", {}}});
        options.points = {1, 2, 4};
        options.seed = seed;
        std::vector<std::pair<std::string, double>> steps;
        options.on_step = [&](const ScalingStep& step) {
            steps.emplace_back(step.target, step.trial.load);
        };
        EXPECT_TRUE(run_scaling(options));
        return steps;
    };
    EXPECT_EQ(order(1), order(1));
    EXPECT_NE(order(1), order(2));
    EXPECT_EQ(order(1).size(), 12U);
}

TEST(Scaling, RefusesARangeOfOneLoad) {
    auto options = scaling_of({"daemon:"}, Axis::rate, {{"daemon", {}}});
    options.search.highest = options.search.lowest;
    EXPECT_FALSE(run_scaling(options));
}

}  // namespace
}  // namespace crucible::lab::scale
