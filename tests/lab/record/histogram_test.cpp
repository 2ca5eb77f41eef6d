#include "lab/record/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/rng.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

Histogram of(const std::vector<std::int64_t>& values) {
    Histogram histogram;
    for (const auto value : values) histogram.record(Duration(value));
    return histogram;
}

/// Durations as systems have them: log-uniform over all decades from 1 ns to 1 h.
std::vector<std::int64_t> log_uniform(std::size_t count, std::uint64_t seed) {
    base::Rng rng(seed);
    std::vector<std::int64_t> values(count);
    for (auto& value : values) {
        value = static_cast<std::int64_t>(std::exp(rng.uniform() * std::log(3.6e12)));
    }
    return values;
}

TEST(Histogram, IsEmptyBeforeTheFirstValue) {
    const Histogram empty;
    EXPECT_EQ(empty.count(), 0u);
    EXPECT_EQ(empty.min(), 0ns);
    EXPECT_EQ(empty.max(), 0ns);
    EXPECT_EQ(empty.mean_ns(), 0);
    EXPECT_EQ(empty.stddev_ns(), 0);
    EXPECT_EQ(empty.quantile(0.99), 0ns);
}

// Three significant digits: values below 2048 ns are exact, above that a step is at most 1/1024 of
// the value.
TEST(Histogram, KeepsThreeSignificantDigits) {
    EXPECT_EQ(of({2047, 5000}).quantile(0.5), 2047ns);
    // 2048..4095 are stored in pairs: the highest equivalent of 2048 is 2049.
    EXPECT_EQ(of({2048, 5000}).quantile(0.5), 2049ns);
    // 1,000,000 lies in a step of 512 that starts at 999,936.
    EXPECT_EQ(of({1'000'000, 5'000'000}).quantile(0.5), 1'000'447ns);
    for (const auto value : log_uniform(1'000, 3)) {
        const auto got = of({value, Histogram::kHighest.count()}).quantile(0.5).count();
        ASSERT_GE(got, value);
        ASSERT_LE(static_cast<double>(got - value), static_cast<double>(value) / 1000) << value;
    }
}

// A percentile that exceeds the largest value there was is a lie of the bucket's width.
TEST(Histogram, QuantileNeverExceedsTheMaximum) {
    EXPECT_EQ(of({1'000'000}).quantile(0.5), 1'000'000ns);
    EXPECT_EQ(of({1'000'000}).quantile(1), 1'000'000ns);
    EXPECT_EQ(of({1'000'000, 1'000'001}).quantile(0), 1'000'001ns);
}

// The ceil(p n)-th smallest, also where p n is a whole number that doubles miss: 0.07 * 100
// = 7.000000000000001.
TEST(Histogram, QuantileIsTheNearestRank) {
    std::vector<std::int64_t> values(100);
    for (std::size_t i = 0; i < 100; ++i) values[i] = static_cast<std::int64_t>(i) + 1;
    const auto histogram = of(values);
    EXPECT_EQ(histogram.quantile(0.07), 7ns);
    EXPECT_EQ(histogram.quantile(0.5), 50ns);
    EXPECT_EQ(histogram.quantile(0.501), 51ns);
    EXPECT_EQ(histogram.quantile(0.99), 99ns);
    EXPECT_EQ(histogram.quantile(0), 1ns);
    EXPECT_EQ(histogram.quantile(1), 100ns);
    EXPECT_EQ(histogram.value_at_rank(1), 1ns);
    EXPECT_EQ(histogram.value_at_rank(37), 37ns);
}

// A model that keeps every value agrees with every rank, whatever the decade.
TEST(Histogram, AgreesWithSortedValuesAtEveryRank) {
    auto values = log_uniform(5'000, 11);
    const auto histogram = of(values);
    std::sort(values.begin(), values.end());
    for (std::uint64_t rank = 1; rank <= values.size(); ++rank) {
        const auto exact = static_cast<double>(values[rank - 1]);
        const auto got = static_cast<double>(histogram.value_at_rank(rank).count());
        ASSERT_GE(got, exact);
        ASSERT_LE(got, exact * 1.001);
    }
    EXPECT_EQ(histogram.min().count(), values.front());
    EXPECT_EQ(histogram.max().count(), values.back());
}

// What does not fit is counted at the end it exceeds and reported: silently dropping it would hide
// the worst values.
TEST(Histogram, ClampsAndCountsWhatIsOutOfRange) {
    const auto histogram =
        of({-5, 0, 1, 3'600'000'000'000, 3'600'000'000'001, INT64_MAX, INT64_MIN});
    EXPECT_EQ(histogram.count(), 7u);
    EXPECT_EQ(histogram.clamped(), 4u);
    EXPECT_EQ(histogram.min(), 1ns);
    EXPECT_EQ(histogram.max(), 1h);
    EXPECT_EQ(histogram.quantile(0.57), 1ns);
    EXPECT_EQ(histogram.quantile(0.58), 1h);
}

TEST(Histogram, MeanIsExactAndDeviationOfTheBuckets) {
    const auto histogram = of({1, 2, 3, 4'000'001});
    EXPECT_EQ(histogram.mean_ns(), 4'000'007 / 4.0);
    // 100 and 300 lie in buckets one wide: mean 200, deviation 100.
    EXPECT_DOUBLE_EQ(of({100, 300}).stddev_ns(), 100);
    // Six million hours exceed 64 bits of nanoseconds.
    Histogram hours;
    for (int i = 0; i < 6'000'000; ++i) hours.record(1h);
    EXPECT_EQ(hours.mean_ns(), 3.6e12);
}

// Workers are merged in the order they report in; the result must not depend on it, to the last
// bit.
TEST(Histogram, MergesExactlyInAnyOrder) {
    const auto values = log_uniform(3'000, 5);
    Histogram parts[3];
    for (std::size_t i = 0; i < values.size(); ++i) parts[i % 3].record(Duration(values[i]));
    Histogram forward;
    for (const auto& part : parts) forward.merge(part);
    Histogram backward = parts[2];
    backward.merge(parts[1]);
    backward.merge(parts[0]);
    backward.merge(Histogram());
    EXPECT_EQ(forward, backward);
    EXPECT_EQ(forward, of(values));
    EXPECT_NE(forward, parts[0]);
}

// How much memory a histogram holds is no part of its value.
TEST(Histogram, EqualsWhateverItHasAllocated) {
    Histogram reserved;
    reserved.reserve();
    EXPECT_EQ(reserved, Histogram());
    auto other = of({7});
    EXPECT_NE(other, Histogram());
    reserved.record(7ns);
    EXPECT_EQ(reserved, other);
    other.record(8ns);
    reserved.record(9ns);
    EXPECT_NE(reserved, other);
}

}  // namespace
}  // namespace crucible::lab
