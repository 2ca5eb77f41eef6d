#include "lab/record/series.h"

#include <gtest/gtest.h>

#include <cmath>

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

// A step is 1/16 of its doubling, and the middle of it is told: 3.2 % at most.
TEST(CoarseHistogram, QuantilesAreWithinAThirtySecond) {
    for (double ns = 1; ns < 3.6e12; ns *= 1.037) {
        CoarseHistogram histogram;
        const Duration value(static_cast<std::int64_t>(ns));
        histogram.record(value);
        const double told = static_cast<double>(histogram.quantile(0.5).count());
        EXPECT_NEAR(told, static_cast<double>(value.count()), 0.032 * ns) << value.count();
    }
}

TEST(CoarseHistogram, QuantilesAreNearestRank) {
    CoarseHistogram histogram;
    for (int i = 1; i <= 10; ++i) histogram.record(Duration(i));
    EXPECT_EQ(histogram.quantile(0), 1ns);
    EXPECT_EQ(histogram.quantile(0.5), 5ns);
    EXPECT_EQ(histogram.quantile(0.51), 6ns);
    EXPECT_EQ(histogram.quantile(1), 10ns);
    EXPECT_EQ(CoarseHistogram().quantile(0.5), 0ns);
}

TEST(CoarseHistogram, WhatIsOutsideCountsAtTheEnd) {
    CoarseHistogram histogram;
    histogram.record(-5ns);
    histogram.record(100h);
    EXPECT_EQ(histogram.count(), 2u);
    EXPECT_EQ(histogram.quantile(0.1), 0ns);
    EXPECT_GT(histogram.quantile(1), 1h);
}

TEST(CoarseHistogram, AddingIsExact) {
    CoarseHistogram a;
    CoarseHistogram b;
    CoarseHistogram both;
    for (int i = 0; i < 1000; ++i) {
        (i % 3 == 0 ? a : b).record(1us * i);
        both.record(1us * i);
    }
    a += b;
    EXPECT_EQ(a, both);
}

// Events are counted where they left and where they ended, which is not the same interval.
TEST(Series, CountsEachSideInItsInterval) {
    Series series(1s);
    series.sent(0ms, 3us);
    series.sent(99ms, 1us);
    series.sent(100ms, 7us);
    series.handled(150ms, 150ms);
    series.handled(199ms, 100ms);
    series.refused(250ms);
    series.refused_at_send(120ms);
    const auto points = series.points();
    ASSERT_EQ(points.size(), 3u);
    EXPECT_EQ(points[0], (SeriesPoint{.sent = 2, .lateness_max = 3us}));
    EXPECT_EQ(points[1], (SeriesPoint{.sent = 1,
                                      .handled = 2,
                                      .refused = 1,
                                      .latency_sum = 250ms,
                                      .latency_max = 150ms,
                                      .lateness_max = 7us}));
    EXPECT_EQ(points[2], (SeriesPoint{.refused = 1}));
    const auto latencies = series.latencies();
    ASSERT_EQ(latencies.size(), 2u);
    EXPECT_EQ(latencies[0].count(), 0u);
    EXPECT_EQ(latencies[1].count(), 2u);
}

TEST(CoarseHistogram, CountsUpToAStep) {
    CoarseHistogram latencies;
    for (int i = 1; i <= 100; ++i) latencies.record(1ms * i);
    EXPECT_EQ(latencies.count_up_to(0ms), 0u);
    // Steps of 2.1 ms there: 50 ms shares its own with 49 ms.
    EXPECT_EQ(latencies.count_up_to(50ms), 50u);
    EXPECT_EQ(latencies.count_below(50ms), 48u);
    EXPECT_EQ(latencies.count_up_to(1h), 100u);
}

// Thirty times at least, so that it can be told how latencies vary over the run.
TEST(Series, ShortPlansKeepLatenciesMoreOften) {
    EXPECT_EQ(Series(2s).coarse(), 100ms);
    EXPECT_EQ(Series(6s, 10s).coarse(), 200ms);
    EXPECT_EQ(Series(15s).coarse(), 500ms);
    EXPECT_EQ(Series(30s).coarse(), 1s);
}

// Nothing is lost behind the planned end, and memory stays what it was.
TEST(Series, WhatComesLaterThanPlannedCountsInTheLastInterval) {
    Series series(250ms);
    series.sent(10s, 1us);
    series.handled(20s, 5ms);
    const auto points = series.points();
    ASSERT_EQ(points.size(), 3u);
    EXPECT_EQ(points[2].sent, 1u);
    EXPECT_EQ(points[2].handled, 1u);
}

// A day's series is no larger than an hour's.
TEST(Series, LongPlansHaveLongerIntervals) {
    EXPECT_EQ(Series(1h).fine(), 100ms);
    Series day(24h);
    EXPECT_EQ(day.fine(), 2400ms);
    EXPECT_EQ(day.coarse(), 24s);
    day.sent(24h, 1us);
    EXPECT_EQ(day.points().size(), 36'001u);
}

}  // namespace
}  // namespace crucible::lab
