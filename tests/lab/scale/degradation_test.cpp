#include "lab/scale/degradation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/rng.h"
#include "simulation.h"

namespace crucible::lab::scale {
namespace {

// 4 MiB and half a MiB for each client: Theil and Sen's slope is not moved by the one measurement
// that a neighbour spoilt.
TEST(Degradation, SlopeAgainstLoadWithstandsAnOutlier) {
    const std::vector<double> clients{1, 2, 3, 4, 6, 8, 10, 12, 14, 16};
    std::vector<double> memory;
    for (const double n : clients) memory.push_back(4 + 0.5 * n);
    memory[4] = 40;
    const auto got = slope_against_load(clients, memory, 0.95);
    EXPECT_DOUBLE_EQ(got.slope.estimate, 0.5);
    EXPECT_LE(got.slope.interval.low, 0.5);
    EXPECT_GE(got.slope.interval.high, 0.5);
    EXPECT_GT(got.slope.interval.low, 0);
    EXPECT_LT(got.p_value, 0.01);
}

// What does not change with load is called that, however often each load was measured.
TEST(Degradation, FlatIsFlat) {
    const std::vector<double> loads{1, 1, 2, 2, 4, 4, 8, 8};
    const std::vector<double> values{5, 6, 6, 5, 5, 6, 6, 5};
    const auto got = slope_against_load(loads, values, 0.95);
    EXPECT_DOUBLE_EQ(got.slope.estimate, 0);
    EXPECT_GT(got.p_value, 0.5);
}

// 9,000/s at 8 clients, 6,300/s at 32: 30 % lost, with three times the latency of the best load.
TEST(Degradation, SaysWhatIsLostPastTheBestLoad) {
    const std::vector<LoadedPoint> points{{32, 6300, 0.030, 0.05},
                                          {1, 2000, 0.002, 0},
                                          {8, 9000, 0.010, 0.01},
                                          {16, 8000, 0.015, 0.02}};
    const auto got = degradation(points);
    EXPECT_EQ(got.best_load.value, 8);
    EXPECT_EQ(got.best_throughput, 9000);
    EXPECT_EQ(got.worst_load, 32);
    EXPECT_NEAR(*got.throughput_lost.value, 0.3, 1e-12);
    EXPECT_NEAR(*got.latency_growth.value, 15, 1e-12);
    EXPECT_NEAR(*got.latency_growth_past.value, 3, 1e-12);
    EXPECT_NEAR(*got.error_rise.value, 0.05, 1e-12);
    EXPECT_NEAR(*got.error_rise_past.value, 0.04, 1e-12);
}

// Loads that saturate it have a throughput and no latency: what is lost there counts all the same.
TEST(Degradation, CountsLoadsWithoutALatency) {
    const std::vector<LoadedPoint> points{{1000, 1000, 0.002, 0},
                                          {4500, 4500, 0.006, 0},
                                          {5500, 5000, {}, 0.1},
                                          {7500, 2500, {}, 0.6}};
    const auto got = degradation(points);
    EXPECT_EQ(got.best_load.value, 5500);
    EXPECT_EQ(got.worst_load, 7500);
    EXPECT_NEAR(*got.throughput_lost.value, 0.5, 1e-12);
    EXPECT_EQ(got.latency_from, 1000);
    EXPECT_EQ(got.latency_to, 4500);
    EXPECT_NEAR(*got.latency_growth.value, 3, 1e-12);
    EXPECT_FALSE(got.latency_growth_past.value);
    EXPECT_TRUE(got.latency_growth_past.absent.starts_with("where most is done it has no value"));
    EXPECT_NEAR(*got.error_rise.value, 0.6, 1e-12);
    const auto none = degradation(std::vector<LoadedPoint>{{1, 10, {}, 0}});
    EXPECT_FALSE(none.latency_growth.value || none.latency_from);
    EXPECT_TRUE(none.latency_growth.absent.starts_with("at no load it has a value"));
}

// Throughput that rises all the way has lost nothing.
TEST(Degradation, NothingIsLostOnTheWayUp) {
    const std::vector<LoadedPoint> points{{1, 100, 0.001, 0}, {2, 200, 0.001, 0}};
    const auto got = degradation(points);
    EXPECT_EQ(got.best_load.value, 2);
    EXPECT_EQ(got.worst_load, 2);
    EXPECT_EQ(got.throughput_lost.value, 0);
    EXPECT_EQ(got.latency_growth_past.value, 1);
}

/// `truth` at the loads 1, 2, …, with noise of 2 % at each and 5 % of the round.
CurveRounds noisy_rounds(const std::vector<double>& truth, std::size_t rounds, base::Rng& rng) {
    CurveRounds curve;
    for (std::size_t i = 0; i < truth.size(); ++i)
        curve.loads.push_back(static_cast<double>(i + 1));
    for (std::size_t r = 0; r < rounds; ++r) {
        const double round = 0.05 * normal(rng);
        auto& values = curve.rounds.emplace_back();
        for (const double value : truth)
            values.push_back(value * std::exp(round + 0.02 * normal(rng)));
    }
    return curve;
}

Degradation judged(const CurveRounds& curve) {
    std::vector<LoadedPoint> points;
    for (std::size_t i = 0; i < curve.loads.size(); ++i) {
        double sum = 0;
        for (const auto& round : curve.rounds) sum += round[i];
        points.push_back({curve.loads[i], sum, 0.001, 0});
    }
    auto found = degradation(points);
    set_throughput_intervals(found, curve, 1);
    return found;
}

// The best of eight equal loads does more than the worst past it by chance alone: an interval of
// these two, as if nobody had chosen them, would see a fall in one of five such curves.
TEST(Degradation, SeesNoFallOnAFlatCurve) {
    base::Rng rng(20261101);
    for (const std::size_t loads : {8U, 2U}) {
        int falls = 0;
        int certain = 0;
        const int curves = simulations(500);
        for (int i = 0; i < curves; ++i) {
            const auto found = judged(noisy_rounds(std::vector<double>(loads, 1000.0), 6, rng));
            if (found.throughput_lost.interval && found.throughput_lost.interval->low > 0) ++falls;
            ASSERT_TRUE(found.best_load.interval);
            if (found.best_load.interval->high - found.best_load.interval->low < 1) ++certain;
        }
        EXPECT_LE(falls, 0.05 * curves) << loads << " loads";
        // The higher or the lower of two is called best: each end of the interval errs.
        EXPECT_LE(certain, (loads == 2 ? 0.1 : 0.05) * curves) << loads << " loads";
    }
}

// 30 % less with four times the load of the best one is seen in six rounds, and five are enough.
TEST(Degradation, SeesAFall) {
    base::Rng rng(20261102);
    for (const std::size_t rounds : {5U, 6U, 20U}) {
        const auto found = judged(noisy_rounds({500, 1000, 900, 800, 700}, rounds, rng));
        ASSERT_TRUE(found.throughput_lost.interval && found.best_load.interval);
        EXPECT_GT(found.throughput_lost.interval->low, 0.1);
        EXPECT_LT(found.throughput_lost.interval->low, 0.3);
        EXPECT_GT(found.throughput_lost.interval->high, 0.3);
        EXPECT_EQ(found.best_load.interval, (stats::Interval{2, 2}));
    }
}

// Where the highest load does most, what more does is not known.
TEST(Degradation, KnowsNoFallPastTheHighestLoad) {
    base::Rng rng(20261103);
    const auto found = judged(noisy_rounds({500, 1000, 2000}, 6, rng));
    EXPECT_FALSE(found.throughput_lost.interval);
    EXPECT_EQ(found.throughput_lost.absent, "no load past the best was measured");
    EXPECT_EQ(found.best_load.interval, (stats::Interval{3, 3}));
}

}  // namespace
}  // namespace crucible::lab::scale
