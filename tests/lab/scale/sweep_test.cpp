#include "lab/scale/sweep.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "lab/compare/json_parts.h"
#include "simulation.h"

namespace crucible::lab::scale {
namespace {

/// A trial that held, broke an objective, or was not valid.
ScalingTrial held_trial() {
    return {};
}
ScalingTrial broken_trial(std::string detail) {
    ScalingTrial trial;
    trial.broken = kBrokenTarget;
    trial.detail = std::move(detail);
    return trial;
}
ScalingTrial invalid_trial() {
    ScalingTrial trial;
    trial.invalid = "schedule_kept: 9 ms late";
    return trial;
}

/// Loads 1, 2, …, each with such trials.
Sweep sweep_of(const std::vector<std::vector<ScalingTrial>>& trials) {
    Sweep sweep;
    for (const auto& there : trials) {
        auto& point = sweep.points.emplace_back();
        point.load = static_cast<double>(sweep.points.size());
        for (std::uint32_t round = 0; round < there.size(); ++round)
            add_to(point, round, there[round], {});
    }
    return sweep;
}

// As many broken as held do not hold. What follows a load that broke is not known to hold.
TEST(LoadLimit, IsWhereNoMoreHoldThanBreak) {
    const auto broken = broken_trial("the target's own send() held the others up");
    const auto limit = limit_of(sweep_of({{held_trial(), held_trial()},
                                          {held_trial(), held_trial(), broken},
                                          {held_trial(), broken},
                                          {held_trial(), held_trial()}}));
    ASSERT_TRUE(limit);
    EXPECT_EQ(limit->lower, 2);
    EXPECT_EQ(limit->upper, 3);
    EXPECT_EQ(limit->detail, "the target's own send() held the others up");
    EXPECT_FALSE(limit_of(sweep_of({{broken}, {held_trial()}}))->lower);
    EXPECT_FALSE(limit_of(sweep_of({{held_trial()}, {held_trial(), broken, held_trial()}})));
}

// Of trials that say nothing, and of starts that failed, none is a break.
TEST(LoadLimit, TakesNothingInvalidForABreak) {
    const auto failed = not_started(2, {Errc::closed, "connection refused"});
    EXPECT_FALSE(limit_of(sweep_of({{held_trial()}, {invalid_trial()}, {failed}, {}})));
    const auto above = limit_of(sweep_of({{invalid_trial()}, {broken_trial("killed")}}));
    ASSERT_TRUE(above);
    EXPECT_FALSE(above->lower);
    EXPECT_EQ(above->upper, 2);
}

/// Loads 1 and 2 in `rounds` rounds: 1,000/s and 800/s, 1 ms and 3 ms at the 99th percentile.
Sweep degrading_sweep(std::uint32_t rounds) {
    Sweep sweep;
    for (const double load : {1.0, 2.0}) {
        auto& point = sweep.points.emplace_back();
        point.load = load;
        for (std::uint32_t round = 0; round < rounds; ++round) {
            const double factor = 1 + 0.01 * round;
            point.rounds.push_back(round);
            point.metrics.push_back(
                {{.info = find_metric("throughput"), .value = factor * (load < 2 ? 1000.0 : 800.0)},
                 {.info = find_metric("latency_p99"),
                  .value = load < 2 ? 1e-3 : 3e-3 * (factor - 0.02)},
                 {.info = find_metric("error_rate"), .value = load < 2 ? 0.0 : 0.01}});
        }
    }
    return sweep;
}

// Rounds are apart by 5 %, and what a load costs within one is the same in all.
TEST(SweepDegradation, HasIntervalsOfWhatRoundsSay) {
    const auto found = degradation_of(degrading_sweep(6), 1);
    ASSERT_TRUE(found && found->throughput_lost.interval && found->latency_growth.interval &&
                found->error_rise.interval);
    EXPECT_NEAR(found->throughput_lost.interval->low, 0.2, 1e-9);
    EXPECT_NEAR(found->throughput_lost.interval->high, 0.2, 1e-9);
    EXPECT_NEAR(found->latency_growth.interval->low, 3 * 0.98, 1e-9);
    EXPECT_NEAR(found->latency_growth.interval->high, 3 * 1.03, 1e-9);
    EXPECT_NEAR(found->error_rise.interval->low, 0.01, 1e-12);
}

// Where rounds are far apart the median and the estimate that is shown order the loads differently.
TEST(SweepDegradation, CallsTheLoadBestThatIsShownAsBest) {
    constexpr std::array kErratic{10.0, 10.0, 10.0, 12.0, 40.0, 40.0};
    Sweep sweep;
    for (const double load : {1.0, 2.0}) {
        auto& point = sweep.points.emplace_back();
        point.load = load;
        for (std::uint32_t round = 0; round < kErratic.size(); ++round) {
            point.rounds.push_back(round);
            point.metrics.push_back({{.info = find_metric("throughput"),
                                      .value = load < 2 ? kErratic.at(round) : 15.0}});
        }
    }
    const auto found = degradation_of(sweep, 1);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->best_load.value, 1);
    EXPECT_EQ(found->best_throughput, 25);
    EXPECT_EQ(metrics_over_rounds(sweep.points.front().metrics).at(0).at("value"), 25);
    EXPECT_NEAR(*found->throughput_lost.value, 0.4, 1e-12);
}

// A round that lacks a load has no curve, but it has the loads that latency is compared at.
TEST(SweepDegradation, SaysWhyThereIsNoInterval) {
    auto sweep = degrading_sweep(6);
    auto& middle = *sweep.points.insert(sweep.points.begin() + 1, sweep.points.front());
    middle.load = 1.5;
    middle.rounds.resize(4);
    middle.metrics.resize(4);
    auto found = degradation_of(sweep, 1);
    ASSERT_TRUE(found);
    EXPECT_FALSE(found->best_load.interval || found->throughput_lost.interval);
    EXPECT_EQ(found->throughput_lost.absent, "4 of 6 rounds have every load; at least 5");
    EXPECT_TRUE(found->latency_growth.interval);
    found = degradation_of(degrading_sweep(5), 1);
    EXPECT_TRUE(found->throughput_lost.interval);
    EXPECT_FALSE(found->latency_growth.interval);
    EXPECT_EQ(found->latency_growth.absent, "fewer than 6 rounds have both loads");
}

// 1 ms for each further unit of load up to 3, and a cliff at 4 that is none of that line.
TEST(SweepSlope, IsOfTheLoadsThatAreAskedFor) {
    Sweep sweep;
    for (const double load : {1.0, 2.0, 3.0, 4.0}) {
        auto& point = sweep.points.emplace_back();
        point.load = load;
        for (std::uint32_t round = 0; round < 3; ++round) {
            point.rounds.push_back(round);
            point.metrics.push_back(
                {{.info = find_metric("latency_p99"), .value = load < 4 ? 1e-3 * load : 10.0}});
        }
    }
    const auto below = slope_of(sweep, "latency_p99", 3);
    ASSERT_TRUE(below);
    EXPECT_NEAR(below->slope.estimate, 1e-3, 1e-9);
    EXPECT_GT(slope_of(sweep, "latency_p99", 4)->slope.interval.high, 1);
    EXPECT_FALSE(slope_of(sweep, "latency_p99", 1));
}

/// Memory at loads 1 to 4 of rounds, by the round and the load.
template <typename Memory>
Sweep memory_sweep(std::uint32_t rounds, const Memory& memory) {
    Sweep sweep;
    for (const double load : {1.0, 2.0, 3.0, 4.0}) {
        auto& point = sweep.points.emplace_back();
        point.load = load;
        for (std::uint32_t round = 0; round < rounds; ++round) {
            point.rounds.push_back(round);
            point.metrics.push_back(
                {{.info = find_metric("memory_peak"), .value = memory(round, load)}});
        }
    }
    return sweep;
}

// Whole rounds lie far apart, and within each a further unit of load takes 10.0 to 10.5. Of six
// rounds Hodges and Lehmann's interval at 95 % goes from the least to the most.
TEST(SweepSlope, HasTheIntervalOfTheRoundsOwnSlopes) {
    const auto memory = [](std::uint32_t round, double load) {
        return 1000.0 * (round % 3) + (10 + 0.1 * round) * load;
    };
    auto sweep = memory_sweep(6, memory);
    const auto found = slope_of(sweep, "memory_peak", 4);
    ASSERT_TRUE(found);
    EXPECT_NEAR(found->slope.interval.low, 10, 1e-9);
    EXPECT_NEAR(found->slope.interval.high, 10.5, 1e-9);
    // A round that has one of the loads only has no slope.
    sweep.points[0].rounds.push_back(6);
    sweep.points[0].metrics.push_back({{.info = find_metric("memory_peak"), .value = 500.0}});
    EXPECT_NEAR(slope_of(sweep, "memory_peak", 4)->slope.interval.high, 10.5, 1e-9);
    EXPECT_TRUE(
        std::isinf(slope_of(memory_sweep(5, memory), "memory_peak", 4)->slope.interval.high));
    // A single round has Sen's.
    Sweep one;
    std::vector<double> loads;
    std::vector<double> values;
    for (const double load : {1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0}) {
        loads.push_back(load);
        values.push_back(10 * load + std::sin(12.9898 * load));
        auto& point = one.points.emplace_back();
        point.load = load;
        point.rounds.push_back(0);
        point.metrics.push_back({{.info = find_metric("memory_peak"), .value = values.back()}});
    }
    const auto single = slope_of(one, "memory_peak", 16);
    ASSERT_TRUE(single);
    EXPECT_EQ(single->slope.interval, slope_against_load(loads, values, 0.95).slope.interval);
    EXPECT_TRUE(std::isfinite(single->slope.interval.high));
}

// Rounds of which each takes more or less for a further unit of load, by 10 %: taken for
// independent of each other, their values give an interval that holds the truth in 89 of 100.
TEST(SweepSlope, IntervalHoldsTheTruthAsOftenAsItSays) {
    constexpr std::uint32_t kRounds = 10;
    const int sweeps = simulations(400);
    base::Rng rng(20260901);
    int held = 0;
    for (int i = 0; i < sweeps; ++i) {
        std::vector<double> steps;
        for (std::uint32_t round = 0; round < kRounds; ++round)
            steps.push_back(1.7 * (1 + 0.1 * normal(rng)));
        const auto found =
            slope_of(memory_sweep(kRounds,
                                  [&](std::uint32_t round, double load) {
                                      return 10 + steps[round] * load + 0.05 * normal(rng);
                                  }),
                     "memory_peak", 4);
        ASSERT_TRUE(found);
        held += found->slope.interval.low <= 1.7 && 1.7 <= found->slope.interval.high ? 1 : 0;
    }
    const double slack = 2.5 * std::sqrt(0.95 * 0.05 / sweeps);
    EXPECT_NEAR(static_cast<double>(held) / sweeps, 0.95, std::max(0.03, slack));
}

// What the law's intervals take for the unit.
TEST(SweepCurve, TellsWhichPointsAreOfOneRound) {
    auto sweep = degrading_sweep(2);
    sweep.points[0].rounds = {3, 5};
    sweep.points[1].rounds = {3, 5};
    const auto curve = sweep.curve("throughput");
    ASSERT_EQ(curve.size(), 4U);
    EXPECT_EQ(curve[0].round, 3U);
    EXPECT_EQ(curve[1].round, 3U);
    EXPECT_EQ(curve[1].load, 2);
    EXPECT_EQ(curve[3].round, 5U);
}

}  // namespace
}  // namespace crucible::lab::scale
