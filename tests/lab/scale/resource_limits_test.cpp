#include "lab/scale/resource_limits.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace crucible::lab::scale {
namespace {

LimitUse descriptors(double used, double limit = 90) {
    return {"descriptors", "RLIMIT_NOFILE", "pid 71", "1", used, limit, {}};
}

std::vector<LimitPoint> measured(const std::vector<std::pair<double, double>>& all) {
    std::vector<LimitPoint> points;
    for (const auto& [load, used] : all) points.push_back({load, {descriptors(used)}});
    return points;
}

// The ends are the roots of Fieller's inequality, found by bisection elsewhere.
TEST(ForecastLimits, SaysAtWhatLoadALimitWouldBind) {
    const auto points = measured({{100, 21}, {200, 29}, {300, 42}, {400, 48}, {500, 62}});
    const auto forecasts = forecast_limits(points);
    ASSERT_EQ(forecasts.size(), 1U);
    const auto& forecast = forecasts.front();
    ASSERT_TRUE(forecast.binds_at) << forecast.refused;
    EXPECT_NEAR(*forecast.binds_at, 791.0891089108911, 1e-6);
    EXPECT_NEAR(forecast.ci_low, 702.2989640297048, 1e-6);
    ASSERT_TRUE(forecast.ci_high);
    EXPECT_NEAR(*forecast.ci_high, 924.3903730236644, 1e-6);
}

// 10 + load / 10 reaches 90 at 800, and nothing else fits.
TEST(ForecastLimits, KnowsAStraightLineExactly) {
    const auto forecasts = forecast_limits(measured({{100, 20}, {200, 30}, {400, 50}}));
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
    EXPECT_EQ(refusal(measured({{100, 20}, {200, 20}, {400, 20}})),
              "its use does not grow with the load");
    EXPECT_EQ(refusal(measured({{100, 20}, {200, 24}, {300, 19}, {400, 22}})),
              "its use does not grow with the load");
    EXPECT_EQ(refusal(measured({{100, 50}, {200, 40}, {400, 20}})),
              "its use does not grow with the load");
    EXPECT_EQ(refusal(measured({{100, 20}, {200, 30}, {200, 31}})),
              "measured at 2 loads; a line takes 3");
    EXPECT_EQ(refusal(measured({{100, 20}, {200, 20.1}, {400, 20.3}})),
              "beyond 10 times the greatest load measured: a straight line says nothing there");
    EXPECT_EQ(refusal(measured({{100, 20}, {200, 30}, {400, 90}})), "it is used up already");
    auto unlimited = measured({{100, 20}, {200, 30}, {400, 50}});
    for (auto& point : unlimited) {
        point.uses.front().limit.reset();
        point.uses.front().why_absent = "no limit";
    }
    EXPECT_EQ(refusal(unlimited), "no limit");
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

// Curves go on beyond the breaking point, and a target that died early at the greatest load has
// told nothing there.
TEST(ForecastLimits, TellsWhatIsInUseAtTheBreakingPoint) {
    auto points = measured({{100, 20}, {200, 30}, {400, 50}});
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
