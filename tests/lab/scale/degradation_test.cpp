#include "lab/scale/degradation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

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
    EXPECT_EQ(got.best_load, 8);
    EXPECT_EQ(got.best_throughput, 9000);
    EXPECT_EQ(got.worst_load, 32);
    EXPECT_NEAR(got.throughput_lost, 0.3, 1e-12);
    EXPECT_NEAR(got.latency_growth, 15, 1e-12);
    EXPECT_NEAR(got.latency_growth_past, 3, 1e-12);
    EXPECT_NEAR(got.error_rise, 0.05, 1e-12);
    EXPECT_NEAR(got.error_rise_past, 0.04, 1e-12);
}

// Throughput that rises all the way has lost nothing.
TEST(Degradation, NothingIsLostOnTheWayUp) {
    const std::vector<LoadedPoint> points{{1, 100, 0.001, 0}, {2, 200, 0.001, 0}};
    const auto got = degradation(points);
    EXPECT_EQ(got.best_load, 2);
    EXPECT_EQ(got.worst_load, 2);
    EXPECT_EQ(got.throughput_lost, 0);
    EXPECT_EQ(got.latency_growth_past, 1);
}

}  // namespace
}  // namespace crucible::lab::scale
