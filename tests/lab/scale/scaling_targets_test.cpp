// Scalings of more than two targets.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lab/scale/scaling.h"
#include "lab/scale/scaling_json.h"
#include "simulated_scaling.h"
#include "simulated_trial.h"

namespace crucible::lab::scale {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

const std::vector<std::string> kThree{"coordinator:", "daemon:", "router:"};

ScalingOptions scaling_of(const std::vector<std::string>& targets, Axis axis) {
    auto options = simulated_scaling();
    for (const auto& text : targets) options.targets.push_back(*parse_target(text));
    options.axis = axis;
    if (axis != Axis::rate) {
        options.scenario.plan.phases = {maximum_phase(1s)};
        options.slo = {};
        options.points = {1, 2, 4, 8};
    }
    options.rounds = 3;
    options.bottleneck = false;
    options.run = simulated_trials({{"coordinator", {.capacity = 600}},
                                    {"daemon", {.capacity = 300}},
                                    {"router", {.capacity = 700}},
                                    {"null", {.capacity = 1e6}}});
    return options;
}

json ratio_at(const json& comparison, std::size_t point) {
    const auto& found = comparison.at("points").at(point);
    const auto throughput = std::ranges::find_if(
        found.at("metrics"), [](const json& metric) { return metric.at("name") == "throughput"; });
    return throughput->at("ratio");
}

// Clients do 100/s each: eight of them 600, 300 and 700.
TEST(ScalingTargets, ComparesEachFurtherOneWithTheFirst) {
    const auto options = scaling_of(kThree, Axis::clients);
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling) << scaling.error().message;
    const auto result = scaling_json({}, options, *scaling);
    EXPECT_FALSE(result.contains("comparison"));
    const auto& comparisons = result.at("comparisons");
    ASSERT_EQ(comparisons.size(), 2U);
    const double most[] = {300.0 / 600, 700.0 / 600};
    for (std::size_t i = 0; i < 2; ++i) {
        const auto& comparison = comparisons[i];
        EXPECT_EQ(comparison.at("baseline"), "coordinator:");
        EXPECT_EQ(comparison.at("candidate"), kThree[i + 1]);
        ASSERT_EQ(comparison.at("points").size(), 4U);
        EXPECT_EQ(ratio_at(comparison, 0).at("n"), 3);
        EXPECT_NEAR(ratio_at(comparison, 0).at("value").get<double>(), 1, 1e-9);
        EXPECT_NEAR(ratio_at(comparison, 3).at("value").get<double>(), most[i], 1e-9);
        EXPECT_EQ(comparison.at("over_loads").at(0).at("loads"), 4);
        EXPECT_EQ(comparison.at("curves").at("rounds"), 3);
    }
}

TEST(ScalingTargets, ComparesNothingOfOne) {
    const auto options = scaling_of({"daemon:"}, Axis::clients);
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling);
    EXPECT_EQ(scaling_json({}, options, *scaling).at("comparisons"), json::array());
}

// Copies of one system are targets like others, and do as much as it.
TEST(ScalingTargets, TakesOneSystemSeveralTimes) {
    const auto options = scaling_of({"daemon:", "router:", "daemon:"}, Axis::clients);
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling);
    ASSERT_EQ(scaling->targets.size(), 3U);
    for (const auto& target : scaling->targets) EXPECT_EQ(target.sweep.points.back().held, 3U);
    const auto comparisons = scaling_json({}, options, *scaling).at("comparisons");
    EXPECT_EQ(ratio_at(comparisons.at(1), 3).at("value"), 1);
    EXPECT_NEAR(ratio_at(comparisons.at(0), 3).at("value").get<double>(), 700.0 / 300, 1e-9);
}

// Copies of one system are told apart wherever one is named: the others are named by their URL.
TEST(ScalingTargets, NamesCopiesWithTheirPlace) {
    auto options = scaling_of({"daemon:", "router:", "daemon:"}, Axis::clients);
    options.slo = *Slo::parse("error_rate<1%");
    options.search.lowest = 1;
    options.search.highest = 8;
    options.bottleneck = true;
    const std::set<std::string> names{"daemon: (target 1)", "router:", "daemon: (target 3)"};
    std::map<std::string, std::set<std::string>> stepped;
    options.on_step = [&](const ScalingStep& step) { stepped[step.what].insert(step.target); };
    std::map<std::string, std::set<std::string>> shown;
    options.on_progress = [&](const ScalingProgress& at) { shown[at.what].insert(at.target); };
    options.run = [run = options.run](const TargetUrl& target, const SystemOptions& system,
                                      const Plan& plan, const TrialOptions& how) mutable {
        if (how.on_progress) how.on_progress({});
        return run(target, system, plan, how);
    };
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling) << scaling.error().message;
    for (const auto* what : {"ramp", "round 1/3"}) EXPECT_EQ(stepped[what], names) << what;
    EXPECT_EQ(shown["bottleneck"], names);
    auto with_harness = names;
    with_harness.insert("the harness alone");
    EXPECT_EQ(shown["round 1/3"], with_harness);
    const auto result = scaling_json({}, options, *scaling);
    EXPECT_EQ(result.at("targets").at(0).at("target"), "daemon: (target 1)");
    EXPECT_EQ(result.at("targets").at(1).at("target"), "router:");
    const auto& comparison = result.at("comparisons").at(1);
    EXPECT_EQ(comparison.at("baseline"), "daemon: (target 1)");
    EXPECT_EQ(comparison.at("candidate"), "daemon: (target 3)");
}

// Of two copies, too: which of them failed, or has no law, is not known otherwise.
TEST(ScalingTargets, NamesTheCopyThatFailsOrHasNoLaw) {
    const std::vector<std::string> copies{"daemon:", "daemon:"};
    auto options = scaling_of(copies, Axis::clients);
    options.points = {1, 2};
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling);
    const auto curves = scaling_json({}, options, *scaling).at("comparisons").at(0).at("curves");
    const auto why = curves.at("absent").get<std::string>();
    EXPECT_TRUE(why.starts_with("daemon: (target 1): ")) << why;
    for (const auto axis : {Axis::clients, Axis::rate}) {
        options = scaling_of(copies, axis);
        options.run =
            simulated_trials({{"daemon", {.starts = false}}, {"null", {.capacity = 1e6}}});
        const auto failed = run_scaling(options);
        ASSERT_TRUE(failed && failed->failure);
        const auto& message = failed->failure->message;
        EXPECT_TRUE(message == "daemon: (target 1): connection refused" ||
                    message == "daemon: (target 2): connection refused")
            << message;
    }
}

// As many as there may be: each round has each of them once at each load, in an order of its own.
TEST(ScalingTargets, TakeTurnsInEachRound) {
    auto options = scaling_of({"coordinator:", "daemon:", "router:", "daemon:?workers=2",
                               "daemon:?workers=3", "daemon:?workers=4"},
                              Axis::clients);
    ASSERT_EQ(options.targets.size(), kScalingTargetsMax);
    options.points = {1, 2};
    std::map<std::string, std::vector<std::pair<std::string, double>>> rounds;
    options.on_step = [&](const ScalingStep& step) {
        rounds[step.what].emplace_back(step.target, step.trial.load);
    };
    ASSERT_TRUE(run_scaling(options));
    ASSERT_EQ(rounds.size(), 3U);
    std::set<std::vector<std::pair<std::string, double>>> orders;
    for (auto& [what, steps] : rounds) {
        EXPECT_EQ(steps.size(), 12U) << what;
        EXPECT_EQ(std::set(steps.begin(), steps.end()).size(), 12U) << what;
        orders.insert(steps);
    }
    EXPECT_EQ(orders.size(), 3U);
}

// All searches that are open have one trial after the other, in a new order each time; then the
// curves of all are at the same loads, below the lowest limit and beyond the highest.
TEST(ScalingTargets, TakeTurnsInTheSearch) {
    auto options = scaling_of(kThree, Axis::rate);
    std::vector<std::string> turns;
    options.on_step = [&](const ScalingStep& step) { turns.push_back(step.target); };
    const auto scaling = run_scaling(options);
    ASSERT_TRUE(scaling);
    ASSERT_GT(turns.size(), 12U);
    std::set<std::vector<std::string>> orders;
    for (std::size_t i = 0; i < 12; i += 3) {
        const std::vector<std::string> pass(turns.begin() + static_cast<std::ptrdiff_t>(i),
                                            turns.begin() + static_cast<std::ptrdiff_t>(i) + 3);
        EXPECT_EQ(std::set(pass.begin(), pass.end()).size(), 3U) << i;
        orders.insert(pass);
    }
    EXPECT_GT(orders.size(), 1U);
    const double truths[] = {600, 300, 700};
    for (std::size_t i = 0; i < 3; ++i) {
        const auto& point = scaling->targets[i].limit->point;
        ASSERT_TRUE(point.lower_bound && point.upper_bound);
        EXPECT_LE(*point.lower_bound, truths[i] * 1.005);
        EXPECT_GE(*point.upper_bound, truths[i]);
        EXPECT_LT(scaling->targets[i].sweep.points.front().load, 300);
        EXPECT_GT(scaling->targets[i].sweep.points.back().load, 700);
    }
}

}  // namespace
}  // namespace crucible::lab::scale
