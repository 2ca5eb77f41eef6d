#include "lab/memory/stack_sums.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "alloc/stack_file.h"
#include "base/rng.h"

namespace crucible::lab {
namespace {

/// Two stacks in each of two processes.
constexpr std::size_t kStreams = 4;
constexpr double kMean = 4096;

/// What a stack allocates and frees, of which nobody knows the truth: blocks of 16 to 1,015 bytes.
/// Before the phase 100 blocks, in it 150, of which every second is freed again.
struct Stream {
    alloc::SampledCounts counts;  ///< as the tracker sums them up
    double bytes = 0, live_bytes = 0;

    void allocate(base::Rng& random, bool freed) {
        const double size = 16 + static_cast<double>(random.below(1000));
        bytes += size;
        if (!freed) live_bytes += size;
        const double p =
            1 - std::exp(-(size + static_cast<double>(alloc::kSampleBlockBytes)) / kMean);
        if (random.uniform() >= p) return;
        const alloc::Estimate block{1 / p, (1 - p) / (p * p)};
        const alloc::Estimate of_bytes{size / p, size * size * (1 - p) / (p * p)};
        ++counts.allocations;
        counts.all_allocations += block;
        counts.all_bytes += of_bytes;
        if (freed) {
            ++counts.frees;
            return;
        }
        counts.live_blocks += block;
        counts.live_bytes += of_bytes;
    }
};

bool holds(const SampledFigure& figure, double truth) {
    return figure.low.value() <= truth && truth <= figure.high.value();
}

// Of what was allocated between two moments, and of what is live at the later, over stacks and
// processes: of 2,000 seeds 95 % of the intervals hold the truth, within three standard errors.
// With the variance of everything that was allocated until then 99 % would, with that of one stack
// 70 %.
TEST(StackSums, HaveIntervalsThatHoldTheTruth) {
    constexpr int kSeeds = 2000;
    constexpr auto kMeanBytes = static_cast<std::uint64_t>(kMean);
    std::array<int, 2> held{};
    std::array<double, 2> error{};
    for (int seed = 1; seed <= kSeeds; ++seed) {
        base::Rng random(static_cast<std::uint64_t>(seed));
        StackSums site;
        std::array<double, 2> truth{};
        for (std::size_t i = 0; i < kStreams; ++i) {
            Stream stream;
            for (int block = 0; block < 100; ++block) stream.allocate(random, false);
            const StackSums before(stream.counts);
            truth[0] -= stream.bytes;
            for (int block = 0; block < 150; ++block) stream.allocate(random, block % 2 == 0);
            truth[0] += stream.bytes;
            truth[1] += stream.live_bytes;
            site += between(before, StackSums(stream.counts));
        }
        held[0] += holds(bytes_figure(site.bytes, site.samples, kMeanBytes), truth[0]);
        held[1] += holds(bytes_figure(site.live_bytes, site.live_samples, kMeanBytes), truth[1]);
        error[0] += (site.bytes.value - truth[0]) / truth[0] / kSeeds;
        error[1] += (site.live_bytes.value - truth[1]) / truth[1] / kSeeds;
    }
    for (const int each : held) EXPECT_NEAR(each / double{kSeeds}, 0.95, 0.015);
    for (const double each : error) EXPECT_NEAR(each, 0, 0.01);
}

// By hand: the samples of both moments cancel out, and variances of other blocks add up.
TEST(StackSums, SubtractWhatWasBeforeAndAddWhatIsElsewhere) {
    alloc::SampledCounts counts;
    counts.allocations = 10;
    counts.frees = 4;
    counts.all_allocations = {100, 900};
    counts.all_bytes = {6400, 360'000};
    counts.live_blocks = {60, 500};
    counts.live_bytes = {3840, 200'000};
    counts.freed_byte_seconds = 7;
    const StackSums before(counts);
    EXPECT_EQ(before.live_samples, 6U);
    counts.allocations = 13;
    counts.frees = 12;
    counts.all_allocations = {130, 1170};
    counts.all_bytes = {8320, 470'000};
    counts.live_blocks = {10, 90};
    counts.live_bytes = {640, 36'000};
    counts.freed_byte_seconds = 9;
    auto done = between(before, StackSums(counts));
    EXPECT_EQ(done.samples, 3U);
    EXPECT_EQ(done.live_samples, 1U);
    EXPECT_EQ(done.allocations.value, 30);
    EXPECT_EQ(done.allocations.variance, 270);
    EXPECT_EQ(done.bytes.variance, 110'000);
    EXPECT_EQ(done.live_bytes.value, 640);
    EXPECT_EQ(done.live_bytes.variance, 36'000);
    EXPECT_EQ(done.freed_byte_seconds, 2);
    done += before;
    EXPECT_EQ(done.samples, 13U);
    EXPECT_EQ(done.allocations.variance, 1170);
    EXPECT_EQ(done.live_bytes.variance, 236'000);
}

// One free without an allocation changes what is live.
TEST(StackSums, ChangeWithEachSample) {
    alloc::SampledCounts counts;
    counts.allocations = 2;
    const StackSums before(counts);
    EXPECT_TRUE(before.same_blocks(StackSums(counts)));
    counts.frees = 1;
    EXPECT_FALSE(before.same_blocks(StackSums(counts)));
    counts.allocations = 3;
    counts.frees = 2;
    EXPECT_FALSE(before.same_blocks(StackSums(counts)));
}

// Of every allocation nothing is estimated. Four samples of a byte each stand for 4,000: Wilson's
// interval for a count of four, times 1,000. Where there is none, as much may be there as would
// have one in 97.5 % of all cases.
TEST(SampledFigure, IsExactOrHasAnInterval) {
    const auto exact = bytes_figure({64, 0}, 1, 0);
    EXPECT_EQ(exact.value, 64);
    EXPECT_FALSE(exact.low || exact.high);
    const auto four = bytes_figure({4000, 4e6}, 4, 512 << 10);
    EXPECT_NEAR(four.low.value_or(0), 1555.5, 0.1);
    EXPECT_NEAR(four.high.value_or(0), 10'286, 0.5);
    const auto unseen = bytes_figure({}, 0, 1000);
    EXPECT_EQ(unseen.value, 0);
    EXPECT_EQ(unseen.low, 0);
    EXPECT_NEAR(std::exp(-unseen.high.value_or(0) / 1000), 0.025, 1e-6);
}

}  // namespace
}  // namespace crucible::lab
