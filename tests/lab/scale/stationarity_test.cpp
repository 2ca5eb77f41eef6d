#include "lab/scale/stationarity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/rng.h"

namespace crucible::lab::scale {
namespace {

using namespace std::chrono_literals;

/// A backlog with `arrivals` and `departures` on average in each 50 ms, that never falls below 0.
std::vector<double> simulated(double arrivals, double departures, double noise, std::size_t samples,
                              double from, std::uint64_t seed) {
    base::Rng random(seed);
    std::vector<double> backlog;
    double now = from;
    for (std::size_t i = 0; i < samples; ++i) {
        now = std::max(0.0, now + arrivals - departures + noise * (2 * random.uniform() - 1));
        backlog.push_back(now);
    }
    return backlog;
}

TEST(Stationarity, SeesABacklogGrowAndDrain) {
    // 1,000/s: 50 in 50 ms. 45 can be done: 100/s too much.
    const auto growing = judge_stationarity(simulated(50, 45, 5, 40, 0, 1), 50ms, 1'000);
    EXPECT_TRUE(growing.growing());
    EXPECT_NEAR(growing.slope, 100, 20);
    EXPECT_LE(growing.ci_low, 100);
    EXPECT_GE(growing.ci_high, 100);

    const auto draining = judge_stationarity(simulated(50, 55, 5, 40, 1'000, 2), 50ms, 1'000);
    EXPECT_TRUE(draining.draining());
    EXPECT_FALSE(draining.steady());
}

// At capacity exactly a backlog is a random walk: its values show a trend in most trials, its steps
// do not.
TEST(Stationarity, SeldomTakesARandomWalkForATrend) {
    int called = 0;
    constexpr int kTrials = 2'000;
    for (int seed = 1; seed <= kTrials; ++seed) {
        const auto walk = simulated(50, 50, 10, 40, 10'000, static_cast<std::uint64_t>(seed));
        called += !judge_stationarity(walk, 50ms, 1'000).steady();
    }
    EXPECT_LT(called, 0.07 * kTrials);
    EXPECT_GT(called, 0.02 * kTrials);
}

TEST(Stationarity, SaysNothingOfAFewSamplesOrOfNoSlope) {
    EXPECT_FALSE(judge_stationarity(simulated(50, 0, 0, 10, 0, 1), 50ms, 1'000).judged);
    EXPECT_TRUE(judge_stationarity(std::vector<double>(40, 3.0), 50ms, 1'000).steady());
    // 0.5/s of 1,000/s.
    const auto slow = judge_stationarity(simulated(50, 49.975, 0, 40, 0, 1), 50ms, 1'000);
    EXPECT_GT(slow.ci_low, 0);
    EXPECT_TRUE(slow.steady());
}

}  // namespace
}  // namespace crucible::lab::scale
