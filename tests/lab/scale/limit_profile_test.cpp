#include "lab/scale/limit_profile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "simulation.h"

namespace crucible::lab::scale {
namespace {

// Fieller's quadratic: 24.75 theta^2 - 100 theta + 99 <= 0.
TEST(LimitProfile, HasTheRatiosThatTwoEstimatesLeave) {
    const auto interval = ratio_interval(
        {.numerator = 10, .denominator = 5, .variance_numerator = 1, .variance_denominator = 0.25});
    EXPECT_NEAR(interval.low, (50 - std::sqrt(49.75)) / 24.75, 1e-12);
    EXPECT_NEAR(interval.high, (50 + std::sqrt(49.75)) / 24.75, 1e-12);
    // What both have in common is in no ratio.
    const auto shared = ratio_interval({.numerator = 10,
                                        .denominator = 5,
                                        .variance_numerator = 1,
                                        .variance_denominator = 0.25,
                                        .covariance = 0.5});
    EXPECT_NEAR(shared.low, 2, 1e-6);
    EXPECT_NEAR(shared.high, 2, 1e-6);
}

// A denominator that may be 0 has no largest ratio, a numerator that may be no least above 0.
TEST(LimitProfile, HasNoEndsWhereAnEstimateMayBeNothing) {
    const auto endless =
        ratio_interval({.numerator = 10, .denominator = 1, .variance_denominator = 4});
    EXPECT_GT(endless.low, 0);
    EXPECT_TRUE(std::isinf(endless.high));
    const auto anything = ratio_interval(
        {.numerator = 1, .denominator = 1, .variance_numerator = 4, .variance_denominator = 4});
    EXPECT_EQ(anything.low, 0);
    EXPECT_TRUE(std::isinf(anything.high));
}

UslFit fit_of(const stats::ScalabilityFit& law, std::uint64_t seed) {
    base::Rng rng(seed);
    std::vector<CurvePoint> points;
    for (std::uint32_t round = 0; round < 6; ++round) {
        for (const double n : {1, 2, 3, 4, 6, 8, 12, 16})
            points.push_back({n, law.at(n) * (1 + 0.02 * normal(rng)), round});
    }
    const auto fit = fit_usl(points, Weighting::relative, 0.95);
    EXPECT_TRUE(fit && fit->limit);
    return fit ? *fit : UslFit{};
}

// Which of two is the baseline is a matter of taste: the ratio of the one to the other is the
// inverse, with coherency in both, in one of them and in none.
TEST(LimitProfile, ComparesBothWaysAlike) {
    const stats::ScalabilityFit peaks{.gamma = 1000, .alpha = 0.05, .beta = 0.01};
    const stats::ScalabilityFit none{.gamma = 900, .alpha = 0.1};
    for (const auto& [a, b] :
         {std::pair(peaks, peaks), std::pair(peaks, none), std::pair(none, none)}) {
        const auto before = fit_of(a, 1);
        const auto after = fit_of(b, 2);
        const auto there = limit_ratio_interval(before, after);
        const auto back = limit_ratio_interval(after, before);
        EXPECT_LT(there.low, *after.limit / *before.limit);
        EXPECT_GT(there.high, *after.limit / *before.limit);
        EXPECT_NEAR(there.low * back.high, 1, 1e-9);
        EXPECT_NEAR(there.high * back.low, 1, 1e-9);
    }
}

}  // namespace
}  // namespace crucible::lab::scale
