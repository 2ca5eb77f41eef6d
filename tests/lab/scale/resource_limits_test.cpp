#include "lab/scale/resource_limits.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "simulation.h"

namespace crucible::lab::scale {
namespace {

LimitUse descriptors(double used, double limit = 90) {
    return {"descriptors", "RLIMIT_NOFILE", "pid 71", "1", used, limit, {}};
}

using Used = std::vector<std::pair<double, double>>;  ///< at loads

std::vector<LimitPoint> measured(const std::vector<Used>& rounds) {
    std::vector<LimitPoint> points;
    for (std::uint32_t round = 0; round < rounds.size(); ++round) {
        for (const auto& [load, used] : rounds[round])
            points.push_back({.load = load, .uses = {descriptors(used)}, .round = round});
    }
    return points;
}

/// The same in six rounds.
std::vector<LimitPoint> measured(const Used& all) {
    return measured(std::vector<Used>(6, all));
}

/// A round of so much without load and so much for each unit of it.
Used on_line(double without_load, double slope) {
    Used round;
    for (const double load : {100, 200, 300, 400, 500})
        round.emplace_back(load, without_load + slope * load);
    return round;
}

// Of six rounds the interval is from the least to the most of the shares that a unit of load takes
// of the 80 that are free without any: 0.09 / 80 to 0.11 / 80, the middle one 0.1 / 80.
TEST(ForecastLimits, SaysAtWhatLoadALimitWouldBind) {
    std::vector<Used> rounds;
    for (const double slope : {0.1, 0.095, 0.11, 0.105, 0.09, 0.1})
        rounds.push_back(on_line(10, slope));
    // One reading that is off moves no line.
    rounds[2][3].second += 30;
    const auto forecasts = forecast_limits(measured(rounds));
    ASSERT_EQ(forecasts.size(), 1U);
    const auto& forecast = forecasts.front();
    ASSERT_TRUE(forecast.binds_at) << forecast.refused;
    EXPECT_NEAR(*forecast.binds_at, 800, 1e-6);
    EXPECT_NEAR(forecast.ci_low, 80 / 0.11, 1e-6);
    ASSERT_TRUE(forecast.ci_high);
    EXPECT_NEAR(*forecast.ci_high, 80 / 0.09, 1e-6);
}

// What a whole round has in use beside is no growth with the load, however much it is; it tells how
// far the binding load differs between rounds. What is read where a bottleneck was looked for is in
// no round, and of no line.
TEST(ForecastLimits, TakesTheRoundForTheUnit) {
    std::vector<Used> rounds;
    for (const double without_load : {0, 40, 10, 30, 20, 20})
        rounds.push_back(on_line(without_load, 0.05));
    for (auto& round : rounds) round.resize(3);
    auto points = measured(rounds);
    points.push_back({600, {descriptors(80)}, true});
    const auto forecast = forecast_limits(points).front();
    ASSERT_TRUE(forecast.binds_at) << forecast.refused;
    EXPECT_NEAR(forecast.ci_low, 1000, 1e-6);
    EXPECT_NEAR(*forecast.ci_high, 1800, 1e-6);
}

// 10 + load / 10 reaches 90 at 800, and nothing else fits.
TEST(ForecastLimits, KnowsAStraightLineExactly) {
    const auto forecasts = forecast_limits(measured(Used{{100, 20}, {200, 30}, {400, 50}}));
    ASSERT_TRUE(forecasts.front().binds_at);
    EXPECT_NEAR(*forecasts.front().binds_at, 800, 1e-6);
    EXPECT_NEAR(forecasts.front().ci_low, 800, 1e-3);
    EXPECT_NEAR(*forecasts.front().ci_high, 800, 1e-3);
}

// A line through noise, through two points or to the end of the world is no forecast.
TEST(ForecastLimits, RefusesWhatTheDataDoNotCarry) {
    const auto refusal = [](const std::vector<LimitPoint>& points) {
        const auto forecasts = forecast_limits(points);
        EXPECT_FALSE(forecasts.front().binds_at);
        return forecasts.front().refused;
    };
    EXPECT_EQ(refusal(measured(Used{{100, 20}, {200, 20}, {400, 20}})),
              "its use does not grow with the load");
    const Used rises{{100, 20}, {200, 24}, {400, 28}};
    const Used falls{{100, 28}, {200, 24}, {400, 20}};
    EXPECT_EQ(refusal(measured({rises, rises, rises, rises, rises, falls})),
              "its use does not grow with the load");
    EXPECT_EQ(refusal(measured(Used{{100, 50}, {200, 40}, {400, 20}})),
              "its use does not grow with the load");
    EXPECT_EQ(refusal(measured(Used{{100, 20}, {200, 30}, {200, 31}})),
              "measured at 2 loads; a line takes 3");
    EXPECT_EQ(refusal(measured({rises, rises, {{100, 20}, {200, 24}}, rises, rises, rises})),
              "rounds with 3 loads or more: 5; its interval takes 6");
    EXPECT_EQ(refusal(measured(Used{{100, 20}, {200, 20.1}, {400, 20.3}})),
              "beyond 10 times the greatest load measured: a straight line says nothing there");
    EXPECT_EQ(refusal(measured(Used{{100, 20}, {200, 30}, {400, 90}})), "it is used up already");
    auto unlimited = measured(Used{{100, 20}, {200, 30}, {400, 50}});
    for (auto& point : unlimited) {
        point.uses.front().limit.reset();
        point.uses.front().why_absent = "no limit";
    }
    EXPECT_EQ(refusal(unlimited), "no limit");
}

// Rounds differ by what they have in use without load (a tenth) and by what each unit of load takes
// (5 %), and readings by 2 %. Hodges and Lehmann's interval of six rounds is one of 96.9 %.
TEST(ForecastLimits, IntervalsHoldTheTruthAsOftenAsTheySay) {
    const int data_sets = simulations(400);
    const double slack = 2.5 * std::sqrt(0.95 * 0.05 / data_sets);
    base::Rng rng(20261001);
    for (const int count : {6, 10, 20}) {
        int holds = 0;
        for (int i = 0; i < data_sets; ++i) {
            std::vector<Used> rounds;
            for (int round = 0; round < count; ++round) {
                rounds.push_back(
                    on_line(10 * (1 + 0.1 * normal(rng)), 0.1 * (1 + 0.05 * normal(rng))));
                for (auto& [load, used] : rounds.back()) used *= 1 + 0.02 * normal(rng);
            }
            const auto forecast = forecast_limits(measured(rounds)).front();
            if (!forecast.binds_at) continue;
            holds += forecast.ci_low <= 800 && 800 <= *forecast.ci_high ? 1 : 0;
        }
        const double share = static_cast<double>(holds) / data_sets;
        fmt::print("{} rounds: {:.1f} %\n", count, 100 * share);
        EXPECT_GE(share, 0.95 - std::max(0.02, slack)) << count;
        EXPECT_LE(share, 0.97 + std::max(0.01, slack)) << count;
    }
}

// Which is nearest is asked at the greatest load, wherever it stands in the list.
TEST(ForecastLimits, PutsTheNearestFirst) {
    LimitUse memory{"memory", "MemAvailable", "the machine", "B", 800, 1000, {}};
    LimitUse disk{"disk", "free space", "file system of /", "B", {}, {}, "no directory"};
    std::vector<LimitPoint> points;
    points.push_back({400, {disk, descriptors(45), memory}});
    memory.used = 100;
    points.push_back({100, {disk, descriptors(80), memory}});
    const auto forecasts = forecast_limits(points);
    ASSERT_EQ(forecasts.size(), 3U);
    EXPECT_EQ(forecasts[0].at_breaking_point.name, "memory");
    EXPECT_DOUBLE_EQ(*forecasts[0].at_breaking_point.share(), 0.8);
    EXPECT_EQ(forecasts[1].at_breaking_point.name, "descriptors");
    EXPECT_EQ(forecasts[2].at_breaking_point.name, "disk");
    EXPECT_EQ(forecasts[2].refused, "no directory");
    EXPECT_TRUE(forecast_limits({}).empty());
}

// At the greatest load rounds differ, and none of them is the one to be told: 70 of 90 in the
// middle.
TEST(ForecastLimits, TellsTheMiddleOfWhatRoundsUse) {
    std::vector<double> used{70, 88, 60, 95, 65};
    for (std::size_t turned = 0; turned < used.size(); ++turned) {
        std::vector<Used> rounds;
        for (const double most : used) rounds.push_back({{400, most}, {100, 10}});
        const auto forecast = forecast_limits(measured(rounds)).front();
        EXPECT_EQ(forecast.at_breaking_point.used, 70);
        EXPECT_NE(forecast.refused, "it is used up already");
        std::ranges::rotate(used, used.begin() + 1);
    }
    // One that could not be read in some round says nothing there.
    auto points = measured(std::vector<Used>{{{400, 30}}, {{400, 50}}, {{400, 70}}});
    points[2].uses.front().used.reset();
    EXPECT_EQ(forecast_limits(points).front().at_breaking_point.used, 40);
}

// Curves go on beyond the breaking point, and a target that died early at the greatest load has
// told nothing there.
TEST(ForecastLimits, TellsWhatIsInUseAtTheBreakingPoint) {
    auto points = measured(Used{{100, 20}, {200, 30}, {400, 50}});
    points.push_back({600, {}});
    auto forecasts = forecast_limits(points);
    ASSERT_EQ(forecasts.size(), 1U);
    EXPECT_EQ(forecasts[0].at_breaking_point.used, 50);
    points.push_back({300, {descriptors(40)}, true});
    forecasts = forecast_limits(points);
    ASSERT_EQ(forecasts.size(), 1U);
    EXPECT_EQ(forecasts[0].at_breaking_point.used, 40);
    EXPECT_NEAR(forecasts[0].binds_at.value_or(0), 800, 1e-6);
}

}  // namespace
}  // namespace crucible::lab::scale
