#include "lab/scale/curve_comparison.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/rng.h"
#include "lab/stats/scalability.h"
#include "simulation.h"

namespace crucible::lab::scale {
namespace {

const std::vector<double> kLoads{1, 2, 4, 6, 8, 12, 16, 24, 32};

/// Rounds of a curve, each with noise of its own at each load and some that the whole round has,
/// the same in both curves of a pair.
CurveRounds rounds_of(const stats::ScalabilityFit& law, std::size_t rounds, double noise,
                      std::uint64_t seed, std::uint64_t round_seed) {
    CurveRounds curve{.loads = kLoads};
    base::Rng rng(seed);
    base::Rng round_rng(round_seed);
    for (std::size_t r = 0; r < rounds; ++r) {
        const double whole_round = 1 + 0.05 * normal(round_rng);
        std::vector<double> values;
        for (const double n : kLoads) {
            values.push_back(law.at(n) * whole_round * (1 + noise * normal(rng)));
        }
        curve.rounds.push_back(std::move(values));
    }
    return curve;
}

const stats::ScalabilityFit kBaseline{.gamma = 1000, .alpha = 0.05, .beta = 0.002};
const stats::ScalabilityFit kCandidate{.gamma = 900, .alpha = 0.02, .beta = 0.001};

// Slower alone, faster together: every parameter is found on its own side.
TEST(CurveComparison, TellsWhereOneCurveCrossesTheOther) {
    const auto got = compare_curves(rounds_of(kBaseline, 8, 0.02, 1, 3),
                                    rounds_of(kCandidate, 8, 0.02, 2, 3), {.draws = 1000});
    ASSERT_TRUE(got) << got.error().message;
    ASSERT_TRUE(got->gamma_ratio && got->alpha_difference && got->beta_difference);
    ASSERT_TRUE(got->limit_ratio && got->peak_ratio);
    EXPECT_LT(got->gamma_ratio->interval.high, 1);
    EXPECT_LT(got->alpha_difference->interval.high, 0);
    EXPECT_LT(got->beta_difference->interval.high, 0);
    EXPECT_GT(got->limit_ratio->interval.low, 1);
    EXPECT_GT(got->peak_ratio->interval.low, 1);
}

// Both do less from one on: no load is below one, so that both do most with one.
TEST(CurveComparison, KnowsNoLoadBelowOne) {
    const auto got = compare_curves(
        rounds_of({.gamma = 1000, .alpha = 0.9, .beta = 0.3}, 8, 0.005, 1, 3),
        rounds_of({.gamma = 2000, .alpha = 0.9, .beta = 0.5}, 8, 0.005, 2, 3), {.draws = 500});
    ASSERT_TRUE(got && got->peak_ratio && got->limit_ratio);
    EXPECT_EQ(got->peak_ratio->estimate, 1);
    EXPECT_NEAR(got->limit_ratio->estimate, 2, 0.1);
}

// Without a peak the most there is is what the law comes near to: gamma / alpha.
TEST(CurveComparison, ComparesWhatAmdahlsLawComesNearTo) {
    const auto got = compare_curves(
        rounds_of({.gamma = 1000, .alpha = 0.1, .beta = 0}, 8, 0.002, 1, 3),
        rounds_of({.gamma = 1000, .alpha = 0.2, .beta = 0}, 8, 0.002, 2, 3), {.draws = 500});
    ASSERT_TRUE(got && got->limit_ratio);
    EXPECT_LE(got->limit_ratio->interval.low, 0.5);
    EXPECT_GE(got->limit_ratio->interval.high, 0.5);
    EXPECT_NEAR(got->limit_ratio->estimate, 0.5, 0.1);
}

TEST(CurveComparison, NamesWhatIsWrongWithACurve) {
    const auto message = [](const CurveRounds& a, const CurveRounds& b) {
        const auto got = compare_curves(a, b, {.draws = 100});
        return got ? std::string("none") : got.error().message;
    };
    const auto good = rounds_of(kBaseline, 5, 0.02, 1, 3);
    auto other = good;
    other.loads[1] = 3;
    EXPECT_EQ(message(good, other),
              "comparing curves: baseline and candidate were measured at different loads");
    other = good;
    other.rounds.pop_back();
    EXPECT_EQ(message(good, other), "comparing curves: the candidate has 4 rounds; at least 5");
    other = good;
    other.rounds[2][1] = 0;
    EXPECT_EQ(message(other, good),
              "comparing curves: round 3 of the baseline is 0 at 2; allowed: above 0");
    other = good;
    other.rounds[4].pop_back();
    EXPECT_EQ(message(other, good),
              "comparing curves: round 5 of the baseline has 8 values for 9 loads");
    other.rounds = rounds_of(kBaseline, 6, 0.02, 1, 3).rounds;
    EXPECT_EQ(message(good, other),
              "comparing curves: 5 rounds of the baseline, 6 of the candidate");
}

// Each load counts alike, however much is done there: a half and twice as much are no difference.
TEST(CurveComparison, HasOneRatioOverAllLoads) {
    const Sweep::ByRound baseline{{0, {{1, 100}, {8, 700}}}, {1, {{1, 50}, {8, 350}}}};
    const Sweep::ByRound candidate{{0, {{1, 50}, {8, 1400}}}, {1, {{1, 100}, {8, 1400}}}};
    const auto found = ratio_over_loads(baseline, candidate);
    EXPECT_EQ(found.loads, 2U);
    ASSERT_EQ(found.logs.size(), 2U);
    EXPECT_NEAR(found.logs[0], 0, 1e-12);
    EXPECT_NEAR(found.logs[1], (std::log(2) + std::log(4)) / 2, 1e-12);
}

// A load that one round of four has by chance would be all of that round's difference; a round that
// ended early would be of other loads than the rest. Values that are no ratio are none.
TEST(CurveComparison, LeavesOutLoadsAndRoundsThatFewHave) {
    const Sweep::ByRound baseline{{0, {{1, 1}, {2, 1}, {4, 1}}},
                                  {1, {{1, 1}, {2, 1}, {4, 0}}},
                                  {2, {{1, 1}, {2, 1}}},
                                  {3, {{1, 1}}},
                                  {4, {{1, 1}, {2, 1}}}};
    const Sweep::ByRound candidate{{0, {{1, 2}, {2, 2}, {4, 64}}},
                                   {1, {{1, 2}, {2, 2}, {4, 64}}},
                                   {2, {{1, 2}, {2, 2}, {4, 64}}},
                                   {3, {{1, 3}, {2, 3}}}};
    const auto found = ratio_over_loads(baseline, candidate);
    EXPECT_EQ(found.loads, 2U);
    ASSERT_EQ(found.logs.size(), 3U);
    for (const double log : found.logs) EXPECT_NEAR(log, std::log(2), 1e-12);
    EXPECT_EQ(ratio_over_loads(baseline, {}).loads, 0U);
    EXPECT_TRUE(ratio_over_loads(baseline, {}).logs.empty());
}

// Intervals of few rounds are as wide as few rounds make them.
TEST(CurveComparison, IntervalsHoldTheTruthAsOftenAsTheySay) {
    const int comparisons = simulations(12);
    const double slack = 3 * std::sqrt(0.95 * 0.05 / comparisons);
    for (const std::size_t rounds : {5U, 10U, 20U}) {
        SCOPED_TRACE(rounds);
        double gamma = 0;
        double alpha = 0;
        double limit = 0;
        double peak = 0;
        const auto holds = [](const stats::LocationEstimate& got, double truth) {
            return got.interval.low <= truth && truth <= got.interval.high ? 1.0 : 0.0;
        };
        const double peaks[] = {std::sqrt(0.95 / 0.002), std::sqrt(0.98 / 0.001)};
        for (int i = 0; i < comparisons; ++i) {
            const auto seed = static_cast<std::uint64_t>(3 * i + 10);
            const auto got = compare_curves(rounds_of(kBaseline, rounds, 0.02, seed, seed + 2),
                                            rounds_of(kCandidate, rounds, 0.02, seed + 1, seed + 2),
                                            {.draws = 1000, .seed = seed});
            ASSERT_TRUE(got && got->gamma_ratio && got->limit_ratio && got->peak_ratio);
            gamma += holds(*got->gamma_ratio, 0.9);
            alpha += holds(*got->alpha_difference, -0.03);
            limit += holds(*got->limit_ratio, kCandidate.at(peaks[1]) / kBaseline.at(peaks[0]));
            peak += holds(*got->peak_ratio, peaks[1] / peaks[0]);
        }
        for (double* share : {&gamma, &alpha, &limit, &peak}) *share /= comparisons;
        fmt::print("{} rounds: gamma {:.1f} alpha {:.1f} limit {:.1f} peak {:.1f} %\n", rounds,
                   100 * gamma, 100 * alpha, 100 * limit, 100 * peak);
        for (const double share : {gamma, alpha, limit, peak}) {
            EXPECT_GE(share, 0.92 - slack);
        }
    }
}

}  // namespace
}  // namespace crucible::lab::scale
