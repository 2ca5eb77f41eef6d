#include "lab/stats/verdict.h"

#include <cmath>
#include <vector>

#include "lab/stats/reference.h"

namespace crucible::lab::stats {
namespace {

const double kDelta = std::log(1.05);

// The whole rule: which side of which bound each interval lies on. Bounds themselves decide
// nothing.
TEST(Judge, FollowsTheIntervals) {
    EXPECT_EQ(judge({0.06, 0.10}, {0.065, 0.095}, kDelta), Change::increased);
    EXPECT_EQ(judge({-0.10, -0.06}, {-0.095, -0.065}, kDelta), Change::decreased);
    EXPECT_EQ(judge({-0.02, 0.02}, {-0.015, 0.015}, kDelta), Change::equivalent);
    EXPECT_EQ(judge({0.01, 0.04}, {0.015, 0.035}, kDelta), Change::changed_within_margin);
    EXPECT_EQ(judge({0.01, 0.06}, {0.02, 0.055}, kDelta), Change::inconclusive);
    EXPECT_EQ(judge({-0.2, 0.2}, {-0.15, 0.15}, kDelta), Change::inconclusive);
    // The wider interval reaches past the margin, the 90 % one does not: TOST at 5 % calls it.
    EXPECT_EQ(judge({-0.052, 0.01}, {-0.045, 0.005}, kDelta), Change::equivalent);
    EXPECT_EQ(judge({kDelta, 0.10}, {0.06, 0.09}, kDelta), Change::inconclusive);
    EXPECT_EQ(judge({-kDelta, kDelta}, {-kDelta, kDelta}, kDelta), Change::inconclusive);
    EXPECT_EQ(judge({0, 0}, {0, 0}, kDelta), Change::equivalent);
}

TEST(Judge, NamesItsVerdicts) {
    EXPECT_EQ(to_string(Change::changed_within_margin), "changed_within_margin");
    EXPECT_EQ(to_string(Change::decreased), "decreased");
}

// MAD of -0.02 -0.01 0 0.01 0.02 is 0.01, sigma 0.014826; margin 0.05, estimate 0: (2.4864749 *
// 0.014826 / 0.05)^2 / 0.955 is below 1, so 6; with estimate 0.04: (2.4864749 * 0.014826 / 0.01)^2
// / 0.955 = 14.23, so 15. Beyond the margin at 0.06 the test is two-sided: (2.8015852 * 0.014826 /
// 0.01)^2 / 0.955 = 18.07, so 19.
TEST(RoundsNeeded, GrowsAsTheEffectNearsTheMargin) {
    const std::vector<double> d{-0.02, -0.01, 0, 0.01, 0.02};
    EXPECT_EQ(rounds_needed(d, 0, 0.05), 6u);
    EXPECT_EQ(rounds_needed(d, 0.04, 0.05), 15u);
    EXPECT_EQ(rounds_needed(d, -0.04, 0.05), 15u);
    EXPECT_EQ(rounds_needed(d, 0.06, 0.05), 19u);
    EXPECT_EQ(rounds_needed(d, 0.05, 0.05), std::nullopt);
    EXPECT_EQ(rounds_needed(d, 0.0499, 0.05), std::nullopt);  // 142,235 rounds: nobody's plan
    EXPECT_EQ(rounds_needed(std::vector<double>{0.1}, 0, 0.05), std::nullopt);
}

// Mostly equal differences have a MAD of 0; the standard deviation steps in instead of "no noise at
// all". Values 0 0 0 0 0.1: s = 0.0447214; (2.4864749 * 0.0447214 / 0.05)^2 / 0.955 = 5.18, so 6;
// margin 0.02: 32.4.
TEST(RoundsNeeded, DoesNotTakeMostlyEqualForNoiseless) {
    EXPECT_EQ(rounds_needed(std::vector<double>{0, 0, 0, 0, 0.1}, 0, 0.02), 33u);
}

}  // namespace
}  // namespace crucible::lab::stats
