#include "lab/compare/judge_metric.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace crucible::lab {
namespace {

constexpr MetricInfo kInfo{"live_bytes", "bytes", Better::lower, false};

/// The candidate has so much more than the baseline, with noise of up to `noise` bytes.
std::vector<Round> rounds_of(double baseline, double candidate, double noise) {
    base::Rng random(5);
    std::vector<Round> rounds;
    for (std::uint32_t r = 0; r < 40; ++r) {
        Round round;
        round.index = r;
        for (auto& arm : round.arms) arm.valid = true;
        const auto give = [&](Arm arm, double value) {
            round[arm].metrics.push_back(
                {.info = &kInfo, .value = value + noise * random.uniform(), .absent = {}, .n = 1});
        };
        give(Arm::baseline, baseline);
        give(Arm::control, baseline);
        give(Arm::candidate, candidate);
        rounds.push_back(std::move(round));
    }
    return rounds;
}

MetricComparison judge(const std::vector<Round>& rounds, std::optional<double> whole) {
    auto weighed = weigh_metric(rounds, kInfo, {}, whole);
    correct_family({&weighed}, stats::Adjustment::benjamini_hochberg);
    add_intervals(weighed, {});
    decide(weighed, 1, {});
    return weighed.result;
}

// Without a whole nothing can be said of what the baseline has not; as a part of one it is weighed
// against that: 20 of 1,000 are below the margin of 3 %, 50 are not.
TEST(JudgeMetric, WeighsAPartThatIsNewAgainstTheWhole) {
    const auto alone = judge(rounds_of(0, 20, 0), {});
    EXPECT_FALSE(alone.difference);
    EXPECT_EQ(alone.reason, "the baseline is zero: there is no ratio to judge");

    const auto small = judge(rounds_of(0, 20, 0), 1000);
    ASSERT_TRUE(small.difference);
    EXPECT_EQ(small.difference->value, 20);
    EXPECT_FALSE(small.ratio);
    EXPECT_TRUE(small.verdict == MetricVerdict::equivalent ||
                small.verdict == MetricVerdict::changed_within_margin)
        << small.reason;
    EXPECT_EQ(judge(rounds_of(0, 50, 0), 1000).verdict, MetricVerdict::worse);
}

// Parts add up in differences, so that these stand beside a ratio; the ratio decides as ever.
TEST(JudgeMetric, TellsThePartsDifferenceBesideItsRatio) {
    const auto rounds = rounds_of(100, 150, 2);
    const auto part = judge(rounds, 10'000);
    ASSERT_TRUE(part.ratio && part.difference);
    EXPECT_NEAR(part.ratio->value, 1.5, 0.02);
    EXPECT_NEAR(part.difference->value, 50, 1);
    EXPECT_LT(part.difference->ci_low, part.difference->value);
    EXPECT_GT(part.difference->ci_high, part.difference->value);
    EXPECT_EQ(part.verdict, MetricVerdict::worse);
    const auto alone = judge(rounds, {});
    EXPECT_FALSE(alone.difference);
    EXPECT_EQ(alone.ratio->value, part.ratio->value);
    EXPECT_EQ(alone.verdict, part.verdict);
}

}  // namespace
}  // namespace crucible::lab
