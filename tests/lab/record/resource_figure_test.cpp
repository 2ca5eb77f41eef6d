#include "lab/record/resource_figure.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

constexpr auto kGauge = ResourceMetric::memory_pss;
constexpr auto kCounter = ResourceMetric::faults_minor;

double integral_of(const ResourceSummary& summary, const std::vector<ResourcePoint>& points) {
    double sum = 0;
    Duration from = summary.begin;
    for (const auto& point : points) {
        sum += point.mean * std::chrono::duration<double>(point.end - from).count();
        from = point.end;
    }
    return sum;
}

// 10 for a second, then to 30 within one, which stays for two: the mean is over time, not over
// readings.
TEST(ResourceSeries, GaugeHasMeanOverTimeAndPeakOfReadings) {
    ResourceSeries series(kGauge, 100ms);
    series.add(0s, 10);
    series.add(1s, 10);
    series.add(2s, 30);
    series.add(4s, 30);
    const auto figure = series.figure();
    ASSERT_TRUE(figure.summary.has_value());
    EXPECT_DOUBLE_EQ(figure.summary->mean, (10 + 20 + 60) / 4.0);
    EXPECT_DOUBLE_EQ(figure.summary->peak, 30);
    EXPECT_DOUBLE_EQ(figure.summary->first, 10);
    EXPECT_DOUBLE_EQ(figure.summary->last, 30);
    EXPECT_EQ(figure.summary->samples, 4u);
    EXPECT_EQ(figure.points,
              (std::vector<ResourcePoint>{{1s, 10, 10}, {2s, 20, 30}, {4s, 30, 30}}));
    EXPECT_EQ(figure.why_absent, "");
}

// A peak that was there for one reading is kept, however short.
TEST(ResourceSeries, GaugeKeepsAPeakOfOneReading) {
    ResourceSeries series(kGauge, 100ms);
    for (const double value : {1.0, 9.0, 1.0}) series.add(1s, value);  // all at once, even
    series.add(2s, 1);
    EXPECT_DOUBLE_EQ(series.figure().summary->peak, 9);
    EXPECT_DOUBLE_EQ(series.figure().summary->mean, 1);
}

// 100 events in each of two seconds and 500 in the third; those from before the start do not count.
TEST(ResourceSeries, CounterHasRates) {
    ResourceSeries series(kCounter, 1s);
    const double readings[] = {7'000, 7'100, 7'200, 7'700};
    for (int i = 0; i < 4; ++i) series.add(i * 1s, readings[i]);
    const auto figure = series.figure();
    EXPECT_DOUBLE_EQ(figure.total(), 700);
    EXPECT_DOUBLE_EQ(figure.summary->mean, 700 / 3.0);
    EXPECT_DOUBLE_EQ(figure.summary->peak, 500);
    ASSERT_EQ(figure.points.size(), 3u);
    EXPECT_EQ(figure.points[2], (ResourcePoint{3s, 500, 500}));
}

// The reading at stop() comes whenever that is called. 10 events within a millisecond of the one
// before are part of the total, and no peak of 10,000/s.
TEST(ResourceSeries, CounterHasNoRateOverAnInstant) {
    ResourceSeries series(kCounter, 1s);
    series.add(0s, 0);
    series.add(1s, 100);
    series.add(1001ms, 110);
    const auto figure = series.figure();
    EXPECT_DOUBLE_EQ(figure.total(), 110);
    EXPECT_LT(figure.summary->peak, 110);
    EXPECT_GE(figure.summary->peak, 100);
    ASSERT_EQ(figure.points.size(), 1u);
    EXPECT_EQ(figure.points[0].end, 1001ms);
    EXPECT_NEAR(integral_of(*figure.summary, figure.points), 110, 1e-9);
}

// Clock ticks of 10 ms, read every 10 ms, would make a process that uses half of a core use all of
// it or none.
TEST(ResourceSeries, CoarseCounterHasRatesOverManySteps) {
    ResourceSeries series(ResourceMetric::cpu_user, 10ms);
    for (int i = 0; i <= 100; ++i) series.add(i * 10ms, 0.01 * std::floor(i / 2.0));
    const auto figure = series.figure();
    EXPECT_NEAR(figure.summary->mean, 0.5, 1e-9);
    EXPECT_NEAR(figure.summary->peak, 0.5, 1e-9);
    EXPECT_EQ(figure.points.size(), 5u);
}

TEST(ResourceSeries, SaysWhyThereIsNothing) {
    ResourceSeries series(kCounter, 1s);
    EXPECT_EQ(series.figure().why_absent, "not read");
    series.miss("no such counter");
    EXPECT_EQ(series.figure().why_absent, "no such counter");
    EXPECT_FALSE(series.figure().summary.has_value());
    EXPECT_EQ(series.memory_bytes(), 0u);
    series.add(0s, 5);
    EXPECT_FALSE(series.figure().summary.has_value());
    EXPECT_EQ(series.figure().why_absent, "read only once: no rate");
    ResourceSeries gauge(kGauge, 1s);
    gauge.add(0s, 5);
    EXPECT_DOUBLE_EQ(gauge.figure().summary->mean, 5);
    // A reading that failed later does not take back those that did not.
    gauge.miss("gone");
    EXPECT_EQ(gauge.figure().why_absent, "");
}

// Ten hours at 10 Hz: the memory is that of the first reading, and neither total, mean nor peaks
// depend on how points were joined.
TEST(ResourceSeries, StaysTheSameSizeForHours) {
    ResourceSeries gauge(kGauge, 100ms);
    ResourceSeries counter(kCounter, 100ms);
    gauge.add(0s, 0);
    counter.add(0s, 0);
    const auto bytes = gauge.memory_bytes();
    EXPECT_EQ(bytes, ResourceSeries::kPointsMax * sizeof(ResourcePoint));
    constexpr int kReadings = 360'000;
    constexpr int kSpike = 123'457;
    double total = 0;
    for (int i = 1; i <= kReadings; ++i) {
        gauge.add(i * 100ms, i == kSpike ? 1e9 : i);
        counter.add(i * 100ms, total += i == kSpike ? 5'000 : 3);
    }
    EXPECT_EQ(gauge.memory_bytes(), bytes);
    const auto memory = gauge.figure();
    const auto faults = counter.figure();
    for (const auto* figure : {&memory, &faults}) {
        EXPECT_LE(figure->points.size(), ResourceSeries::kPointsMax + 1);
        EXPECT_GE(figure->points.size(), ResourceSeries::kPointsMax / 2);
        EXPECT_EQ(figure->points.back().end, kReadings * 100ms);
    }
    // A straight line, and a triangle of 200 ms on top of it.
    const double mean = kReadings / 2.0 + (1e9 - kSpike) * 0.1 / (kReadings * 0.1);
    EXPECT_NEAR(memory.summary->mean, mean, 1e-6 * mean);
    EXPECT_NEAR(integral_of(*memory.summary, memory.points), mean * kReadings * 0.1, 1);
    EXPECT_DOUBLE_EQ(memory.summary->peak, 1e9);
    EXPECT_NEAR(integral_of(*faults.summary, faults.points), total, 1e-3);
    EXPECT_DOUBLE_EQ(faults.total(), total);
    EXPECT_NEAR(faults.summary->peak, 50'000, 1e-3);
    // The spike stands where it was, to one point.
    const auto spike = std::ranges::find_if(
        memory.points, [](const ResourcePoint& point) { return point.peak == 1e9; });
    EXPECT_GE(spike->end, kSpike * 100ms);
    EXPECT_LE(spike->end, kSpike * 100ms + 52s);  // 512 readings
}

TEST(ResourceFigure, CanBeCondensed) {
    ResourceSeries series(kGauge, 100ms);
    for (int i = 0; i <= 1'000; ++i) series.add(i * 100ms, i == 500 ? 900 : i % 10);
    const auto figure = series.figure();
    ASSERT_EQ(figure.points.size(), 1'000u);
    EXPECT_EQ(figure.condensed(1'000).size(), 1'000u);
    const auto few = figure.condensed(300);
    EXPECT_EQ(few.size(), 250u);
    EXPECT_NEAR(integral_of(*figure.summary, few), integral_of(*figure.summary, figure.points),
                1e-9);
    EXPECT_DOUBLE_EQ(std::ranges::max_element(few, {}, &ResourcePoint::peak)->peak, 900);
    EXPECT_EQ(few.back().end, figure.points.back().end);
}

// The table is in the order of the enumerators, which nothing but this says.
TEST(ResourceMetric, HasItsOwnKind) {
    EXPECT_EQ(kind_of(ResourceMetric::cpu).name, "cpu");
    EXPECT_EQ(kind_of(ResourceMetric::threads).name, "threads");
    EXPECT_FALSE(kind_of(ResourceMetric::threads).counter);
    EXPECT_EQ(kind_of(ResourceMetric::storage_written).name, "storage_written");
    EXPECT_EQ(kind_of(ResourceMetric::branch_misses).name, "branch_misses");
    EXPECT_EQ(kind_of(ResourceMetric::pressure_io_full).name, "pressure_io_full");
    EXPECT_EQ(kind_of(ResourceMetric::throttled).name, "throttled");
}

}  // namespace
}  // namespace crucible::lab
