// Whether estimates from samples are right, and their intervals as wide as they say.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>
#include <random>

#include "alloc/preload/poisson.h"
#include "alloc/preload/sampler.h"
#include "alloc/sampled_run.h"
#include "alloc/stacks.h"

namespace crucible::alloc::sampled {
namespace {

TEST(Sampling, KnowsLogarithmsAndChances) {
    for (double x = 1e-16; x < 1e6; x *= 1.01)
        EXPECT_NEAR(natural_log(x), std::log(x), 1e-9 * std::max(1.0, std::abs(std::log(x)))) << x;
    for (double x = 1e-12; x < 100; x *= 1.03)
        EXPECT_NEAR(chance(x) / -std::expm1(-x), 1, 1e-12) << x;
    EXPECT_EQ(chance(0), 0);
}

// Of the exponential distribution: with these sums over 10^6 gaps, mean and deviation are known to
// 0.1 % and 0.2 %.
TEST(Sampling, DrawsExponentialGaps) {
    SampleRandom random(7);
    constexpr int kGaps = 1'000'000;
    constexpr double kMean = 524'288;
    double sum = 0;
    double squares = 0;
    int beyond = 0;  // twice the mean
    for (int i = 0; i < kGaps; ++i) {
        const auto gap = static_cast<double>(gap_bytes(random, kMean));
        sum += gap;
        squares += gap * gap;
        if (gap > 2 * kMean) ++beyond;
    }
    const double mean = sum / kGaps;
    EXPECT_NEAR(mean / kMean, 1, 0.005);
    EXPECT_NEAR(std::sqrt(squares / kGaps - mean * mean) / kMean, 1, 0.01);
    EXPECT_NEAR(static_cast<double>(beyond) / kGaps, std::exp(-2), 0.002);
}

struct Estimated {
    Estimate count;
    Estimate bytes;

    void add(std::uint64_t size, double mean, double samples = 1) {
        const SampleWeight weight = weight_of(size, mean);
        const auto n = static_cast<double>(size);
        count += {samples * weight.count, samples * weight.count_variance};
        bytes += {samples * weight.count * n, samples * weight.count_variance * n * n};
    }
};

/// The tracker's estimate of one stream, as it makes it.
Estimated estimated(std::uint64_t seed, const std::vector<std::uint32_t>& stream, double mean) {
    Estimated sums;
    SamplePoints points(seed, mean);
    std::uint64_t position = 0;
    std::uint64_t sample_at = points.next_after(0);
    for (const std::uint32_t bytes : stream) {
        position += sample_stream(bytes, 1);
        if (position < sample_at) continue;
        sample_at = points.next_after(position);
        sums.add(bytes, mean);
    }
    return sums;
}

bool holds(const Estimate& estimate, double truth) {
    const auto [low, high] = estimate.interval95();
    return low <= truth && truth <= high;
}

/// How many seeds' intervals hold the truth: of 4,000 known to 14 (standard deviation).
constexpr int kSeeds = 4'000;
struct Held {
    int count = 0;
    int bytes = 0;
    Estimate count_sum;
    Estimate bytes_sum;

    void add(const Estimated& one, double blocks, double all_bytes) {
        count += holds(one.count, blocks);
        bytes += holds(one.bytes, all_bytes);
        count_sum += one.count;
        bytes_sum += one.bytes;
    }
};

/// The mean of all is far closer than one of them, but for its standard error.
void expect_no_bias(const Estimate& sum, double truth) {
    EXPECT_NEAR(sum.value / kSeeds, truth, 4 * std::sqrt(sum.variance) / kSeeds);
}

void expect_as_often_as_they_say(int held) {
    EXPECT_GE(held, 0.93 * kSeeds);
    EXPECT_LE(held, 0.97 * kSeeds);
}

void expect_coverage(const std::vector<std::uint32_t>& stream, double mean) {
    double bytes = 0;
    for (const std::uint32_t one : stream) bytes += one;
    Held held;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed)
        held.add(estimated(seed, stream, mean), static_cast<double>(stream.size()), bytes);
    expect_as_often_as_they_say(held.count);
    expect_as_often_as_they_say(held.bytes);
    expect_no_bias(held.count_sum, static_cast<double>(stream.size()));
    expect_no_bias(held.bytes_sum, bytes);
}

// Of 95 % intervals, 95 % hold the truth. Sizes evenly in their logarithm from 8 bytes to 32 KiB
// with sample points 2 KiB apart: some 1,900 samples, of the smallest sizes two dozen.
TEST(Sampling, IntervalsOfManySizesHoldTheTruthAsOftenAsTheySay) {
    std::vector<std::uint32_t> stream;
    SampleRandom random(99);
    for (int i = 0; i < 5'000; ++i) {
        const double exponent = 3 + 12 * static_cast<double>(random.next() >> 11) * 0x1p-53;
        stream.push_back(static_cast<std::uint32_t>(std::exp2(exponent)));
    }
    expect_coverage(stream, 2'048);
}

// As at one stack: blocks of one size, of which few are sampled, here about 110 of 23,000.
TEST(Sampling, IntervalsOfOneSmallSizeHoldTheTruthAsOftenAsTheySay) {
    expect_coverage(std::vector<std::uint32_t>(23'000, 128), 32'768);
}

// Most stacks have few samples: here 7. With the variance of the estimate instead of that of the
// truth it would be 90.4 % of the intervals.
TEST(Sampling, IntervalsOfAFewSamplesHoldTheTruthAsOftenAsTheySay) {
    expect_coverage(std::vector<std::uint32_t>(1'400, 128), 32'768);
}

/// Every allocation is a sample independently of the others, as points of a Poisson process are:
/// how many there are of a size is binomial. So a stream of millions takes no longer than one of
/// hundreds.
Held held_of(const std::map<std::uint32_t, int>& blocks_of_sizes, double mean) {
    double blocks = 0;
    double bytes = 0;
    for (const auto& [size, count] : blocks_of_sizes) {
        blocks += count;
        bytes += static_cast<double>(size) * count;
    }
    std::vector<std::pair<std::uint32_t, std::binomial_distribution<int>>> samples_of_sizes;
    for (const auto& [size, count] : blocks_of_sizes)
        samples_of_sizes.emplace_back(
            size, std::binomial_distribution<int>(count, 1 / weight_of(size, mean).count));
    Held held;
    std::mt19937_64 random(11);
    for (int seed = 0; seed < kSeeds; ++seed) {
        Estimated one;
        for (auto& [size, samples] : samples_of_sizes) one.add(size, mean, samples(random));
        held.add(one, blocks, bytes);
    }
    return held;
}

// The sums of 10^6 blocks of 1 to 700 bytes, whatever the mean distance. If sample points lay in
// the requested bytes alone, a block of one byte would at 512 KiB stand for as many, and only 92 %
// of the intervals would hold the count of 100,000.
TEST(Sampling, IntervalsOfAMillionSmallBlocksHoldTheTruthAsOftenAsTheySay) {
    for (const int blocks_of_each : {143, 1'429}) {
        std::map<std::uint32_t, int> blocks_of_sizes;
        for (std::uint32_t size = 1; size <= 700; ++size) blocks_of_sizes[size] = blocks_of_each;
        for (const double mean : {1'024.0, 16'384.0, 524'288.0}) {
            const ::testing::ScopedTrace trace(
                __FILE__, __LINE__,
                std::to_string(blocks_of_each) + " of each, " + std::to_string(mean) + " bytes");
            const Held held = held_of(blocks_of_sizes, mean);
            expect_as_often_as_they_say(held.count);
            expect_as_often_as_they_say(held.bytes);
        }
    }
}

// Also of blocks of no bytes.
TEST(Sampling, BlocksOfNoBytesAreCounted) {
    const Held held = held_of({{0, 100'000}}, 16'384);
    expect_as_often_as_they_say(held.count);
    expect_no_bias(held.count_sum, 100'000);
}

/// Totals of `stream` with one seed: estimates, and what was counted.
struct Totals {
    SampledCounts sampled;
    Counts exact;
};
Totals totals_of_a_million(const std::string& sample, int seed) {
    const TrackedRun done =
        run(sample, {CRUCIBLE_ALLOC_PROGRAMS "/stream", "3", "1000000"}, std::to_string(seed));
    EXPECT_EQ(done.status.exit_code, 0) << done.status.describe();
    Totals totals{of_owner(stacks_of(done), "stream"), {}};
    for (const auto& owner : region_of(done, done.pid).owners)
        if (owner.name == "stream") totals.exact = owner.counts;
    EXPECT_EQ(totals.exact.allocations, 1'000'000U);
    return totals;
}

/// Estimates by the truth: of counts and bytes, of all and of what is live.
std::array<double, 4> shares_of_truth(const Totals& totals) {
    const auto& [sampled, exact] = totals;
    return {sampled.all_allocations.value / static_cast<double>(exact.allocations),
            sampled.all_bytes.value / static_cast<double>(exact.bytes),
            sampled.live_blocks.value / static_cast<double>(exact.live_blocks()),
            sampled.live_bytes.value / static_cast<double>(exact.live_bytes())};
}

/// Of the four, whose intervals hold the truth.
int intervals_that_hold(const Totals& totals) {
    const auto& [sampled, exact] = totals;
    return holds(sampled.all_allocations, static_cast<double>(exact.allocations)) +
           holds(sampled.all_bytes, static_cast<double>(exact.bytes)) +
           holds(sampled.live_blocks, static_cast<double>(exact.live_blocks())) +
           holds(sampled.live_bytes, static_cast<double>(exact.live_bytes()));
}

/// Of 50 runs' 200 intervals. 190 are expected; if the four of a run missed only together, this
/// would be four standard deviations less.
constexpr int kHeldMin = 164;

// 10^6 allocations of 1 to 700 bytes, 350 MB, with sample points 1 KiB apart: the relative standard
// error of bytes is about sqrt(mean distance / bytes), here 0.17 %, and 2 % is never reached.
TEST(Sampling, TotalsOfAMillionAreWithinTwoPercentForEachSeed) {
    int held = 0;
    for (int seed = 1; seed <= 50; ++seed) {
        const Totals totals = totals_of_a_million("1KiB", seed);
        for (const double share : shares_of_truth(totals)) EXPECT_NEAR(share, 1, 0.02) << seed;
        held += intervals_that_hold(totals);
    }
    EXPECT_GE(held, kHeldMin);
}

// With sample points 512 KiB apart it is 3.7 % of bytes, 4.8 % of counts, and twice that of what is
// live, a quarter: no single seed can promise 2 %, but the mean of 50 can, of what it all is.
TEST(Sampling, TotalsOfAMillionAtTheUsualDistanceAreAsExactAsTheyCanBe) {
    constexpr int kRuns = 50;
    const std::array<double, 4> errors{0.048, 0.037, 0.096, 0.074};
    std::array<double, 4> sums{};
    std::array<double, 4> squares{};
    int held = 0;
    for (int seed = 1; seed <= kRuns; ++seed) {
        const Totals totals = totals_of_a_million("512KiB", seed);
        const auto shares = shares_of_truth(totals);
        for (std::size_t i = 0; i < shares.size(); ++i) {
            sums[i] += shares[i] - 1;
            squares[i] += (shares[i] - 1) * (shares[i] - 1);
        }
        held += intervals_that_hold(totals);
    }
    for (std::size_t i = 0; i < sums.size(); ++i) {
        EXPECT_NEAR(sums[i] / kRuns, 0, i < 2 ? 0.02 : 4 * errors[i] / std::sqrt(kRuns)) << i;
        // A standard deviation of 50 is known to a tenth.
        EXPECT_NEAR(std::sqrt(squares[i] / kRuns) / errors[i], 1, 0.35) << i;
    }
    EXPECT_GE(held, kHeldMin);
}

// A time-stamp counter that steps back by one unit would otherwise be 17 days of life.
TEST(Lifetime, OfAClockThatStepsBackIsNone) {
    constexpr std::uint64_t kRange = std::uint64_t{1} << kBirthBits;
    EXPECT_EQ(units_lived(1000, 1300), 300U);
    EXPECT_EQ(units_lived(1000, 1000), 0U);
    EXPECT_EQ(units_lived(1000, 999), 0U);
    EXPECT_EQ(units_lived(5, kRange - 1), 0U);
    // Round the end of the range, and the longest that there is.
    EXPECT_EQ(units_lived(kRange - 100, 200), 300U);
    EXPECT_EQ(units_lived(7, kRange / 2 + 6), kRange / 2 - 1);
    EXPECT_EQ(units_lived(7, kRange / 2 + 7), 0U);
}

}  // namespace
}  // namespace crucible::alloc::sampled
