#include "lab/stats/batch_means.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/rng.h"

namespace crucible::lab::stats {
namespace {

// By hand: ratio 60 / 8; the totals are off by ±0.5 each, so squares = 8 * 0.25 = 2; t(7) = 2.3646;
// half = 2.3646 * sqrt(2 * 8 / 7) / 8.
TEST(BatchMeans, OfIndependentStretchesIsTheRatioEstimatorsInterval) {
    std::vector<Batch> stretches;
    for (int i = 0; i < 8; ++i) stretches.push_back({1, i % 2 == 0 ? 7.0 : 8.0});
    const auto estimate = batch_means(stretches, 0.95);
    ASSERT_TRUE(estimate);
    EXPECT_DOUBLE_EQ(estimate->estimate, 7.5);
    EXPECT_NEAR(estimate->interval.high - 7.5, 2.364624 * std::sqrt(16.0 / 7) / 8, 1e-6);
    EXPECT_NEAR(7.5 - estimate->interval.low, estimate->interval.high - 7.5, 1e-12);
}

TEST(BatchMeans, WeighsByWhatAStretchHolds) {
    std::vector<Batch> stretches(8, Batch{0, 0});
    stretches[2] = {10, 20};
    stretches[5] = {30, 60};
    const auto estimate = batch_means(stretches, 0.95);
    ASSERT_TRUE(estimate);
    EXPECT_DOUBLE_EQ(estimate->estimate, 2);
    EXPECT_DOUBLE_EQ(estimate->interval.low, 2);
}

TEST(BatchMeans, RefusesWhatIsTooShort) {
    EXPECT_FALSE(batch_means(std::vector<Batch>(7, Batch{1, 1}), 0.95));
    EXPECT_FALSE(batch_means(std::vector<Batch>(100, Batch{0, 0}), 0.95));
    EXPECT_TRUE(batch_means(std::vector<Batch>(8, Batch{1, 1}), 0.95));
}

/// In how many of 1,000 runs of 128 stretches the interval holds the true mean, 0; each value is
/// `memory` times the one before plus noise.
int covered(double memory) {
    int hits = 0;
    for (std::uint64_t run = 0; run < 1000; ++run) {
        auto random = base::Rng::at(1, 2, run);
        double value = 0;
        std::vector<Batch> stretches;
        for (int i = -100; i < 128; ++i) {
            // Uniform noise of variance 1.
            value = memory * value + (random.uniform() - 0.5) * std::sqrt(12.0);
            if (i >= 0) stretches.push_back({1, value});
        }
        const auto estimate = batch_means(stretches, 0.95);
        hits += estimate->interval.low <= 0 && 0 <= estimate->interval.high;
    }
    return hits;
}

TEST(BatchMeans, CoversTheTruthWhetherOrNotStretchesDependOnEachOther) {
    EXPECT_GE(covered(0), 950);
    EXPECT_GE(covered(0.5), 950);
    // 128 such stretches are worth seven; taken for independent they would cover it 350 times.
    EXPECT_GE(covered(0.9), 830);
}

}  // namespace
}  // namespace crucible::lab::stats
