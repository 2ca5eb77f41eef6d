#include "lab/scale/curve_comparison.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "lab/stats/scalability.h"
#include "simulation.h"

namespace crucible::lab::scale {
namespace {

const std::vector<double> kLoads{1, 2, 4, 6, 8, 12, 16, 24, 32};
const std::vector<double> kEightLoads{1, 2, 3, 4, 6, 8, 12, 16};

/// Where the noise comes from: each value has its own, and a round has some that its values share.
struct RoundNoise {
    double own = 0;
    double shared = 0.05;
};

/// Rounds of a curve. With the same `round_seed` both curves of a pair share what a round has.
CurveRounds rounds_of(const stats::ScalabilityFit& law, const std::vector<double>& loads,
                      std::size_t rounds, const RoundNoise& noise, std::uint64_t seed,
                      std::uint64_t round_seed) {
    CurveRounds curve{.loads = loads};
    base::Rng rng(seed);
    base::Rng round_rng(round_seed);
    for (std::size_t r = 0; r < rounds; ++r) {
        const double whole_round = 1 + noise.shared * normal(round_rng);
        std::vector<double> values;
        for (const double n : loads) {
            values.push_back(law.at(n) * whole_round * (1 + noise.own * normal(rng)));
        }
        curve.rounds.push_back(std::move(values));
    }
    return curve;
}

CurveRounds rounds_of(const stats::ScalabilityFit& law, std::size_t rounds, double noise,
                      std::uint64_t seed, std::uint64_t round_seed) {
    return rounds_of(law, kLoads, rounds, {.own = noise}, seed, round_seed);
}

const stats::ScalabilityFit kBaseline{.gamma = 1000, .alpha = 0.05, .beta = 0.002};
const stats::ScalabilityFit kCandidate{.gamma = 900, .alpha = 0.02, .beta = 0.001};

// Slower alone, faster together: every parameter is found on its own side.
TEST(CurveComparison, TellsWhereOneCurveCrossesTheOther) {
    const auto got =
        compare_curves(rounds_of(kBaseline, 8, 0.02, 1, 3), rounds_of(kCandidate, 8, 0.02, 2, 3));
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
    const auto got =
        compare_curves(rounds_of({.gamma = 1000, .alpha = 0.9, .beta = 0.3}, 8, 0.005, 1, 3),
                       rounds_of({.gamma = 2000, .alpha = 0.9, .beta = 0.5}, 8, 0.005, 2, 3));
    ASSERT_TRUE(got && got->peak_ratio && got->limit_ratio);
    EXPECT_EQ(got->peak_ratio->estimate, 1);
    EXPECT_NEAR(got->limit_ratio->estimate, 2, 0.1);
}

// Without a peak the most there is is what the law comes near to: gamma / alpha.
TEST(CurveComparison, ComparesWhatAmdahlsLawComesNearTo) {
    const auto got =
        compare_curves(rounds_of({.gamma = 1000, .alpha = 0.1, .beta = 0}, 8, 0.002, 1, 3),
                       rounds_of({.gamma = 1000, .alpha = 0.2, .beta = 0}, 8, 0.002, 2, 3));
    ASSERT_TRUE(got && got->limit_ratio);
    EXPECT_LE(got->limit_ratio->interval.low, 0.5);
    EXPECT_GE(got->limit_ratio->interval.high, 0.5);
    EXPECT_NEAR(got->limit_ratio->estimate, 0.5, 0.1);
}

TEST(CurveComparison, NamesWhatIsWrongWithACurve) {
    const auto message = [](const CurveRounds& a, const CurveRounds& b) {
        const auto got = compare_curves(a, b);
        return got ? std::string("none") : got.error().message;
    };
    const auto good = rounds_of(kBaseline, 5, 0.02, 1, 3);
    auto other = good;
    other.loads[1] = 3;
    EXPECT_EQ(message(good, other),
              "comparing curves: baseline and candidate were measured at different loads");
    other = good;
    other.rounds.resize(1);
    EXPECT_EQ(message(good, other), "comparing curves: the candidate has 1 rounds; at least 2");
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
            const auto got =
                compare_curves(rounds_of(kBaseline, rounds, 0.02, seed, seed + 2),
                               rounds_of(kCandidate, rounds, 0.02, seed + 1, seed + 2));
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

/// Where most is done; none where it never falls.
std::optional<double> peak_of(const stats::ScalabilityFit& law) {
    if (law.beta == 0) return std::nullopt;
    return std::sqrt((1 - law.alpha) / law.beta);
}

double most_there_is(const stats::ScalabilityFit& law) {
    const auto peak = peak_of(law);
    return peak ? law.at(*peak) : law.gamma / law.alpha;
}

/// How often a figure's interval holds the truth, and how often there is one.
struct Held {
    int held = 0;
    int told = 0;

    void add(const std::optional<stats::LocationEstimate>& got, double truth) {
        if (!got) return;
        ++told;
        held += got->interval.low <= truth && truth <= got->interval.high ? 1 : 0;
    }
    Held& operator+=(const Held& other) {
        held += other.held;
        told += other.told;
        return *this;
    }
    double share() const { return told > 0 ? static_cast<double>(held) / told : 1; }
};

struct ComparisonCoverage {
    Held gamma;
    Held alpha;
    Held beta;
    Held limit;
    Held peak;           ///< where the truth is one
    int peaks_told = 0;  ///< also where it is none
};

/// `both`: what a round has is in both curves the same. All noise is
/// another with other `seeds`.
ComparisonCoverage simulate_pairs(const stats::ScalabilityFit& baseline,
                                  const stats::ScalabilityFit& candidate, std::size_t rounds,
                                  bool both, int pairs, std::uint64_t seeds) {
    constexpr RoundNoise kNoise{.own = 0.05, .shared = 0.03};
    constexpr double kInfinite = std::numeric_limits<double>::infinity();
    const auto before = peak_of(baseline);
    const auto after = peak_of(candidate);
    ComparisonCoverage coverage;
    for (int i = 0; i < pairs; ++i) {
        const auto seed =
            4 * (seeds * static_cast<std::uint64_t>(pairs) + static_cast<std::uint64_t>(i)) +
            10'000;
        const auto got = compare_curves(
            rounds_of(baseline, kEightLoads, rounds, kNoise, seed, seed + 2),
            rounds_of(candidate, kEightLoads, rounds, kNoise, seed + 1, seed + (both ? 2 : 3)));
        EXPECT_TRUE(got);
        if (!got) continue;
        coverage.gamma.add(got->gamma_ratio, candidate.gamma / baseline.gamma);
        coverage.alpha.add(got->alpha_difference, candidate.alpha - baseline.alpha);
        coverage.beta.add(got->beta_difference, candidate.beta - baseline.beta);
        coverage.limit.add(got->limit_ratio, most_there_is(candidate) / most_there_is(baseline));
        coverage.peaks_told += got->peak_ratio ? 1 : 0;
        // Without a peak the load with the most throughput is beyond any; of two such there is no
        // ratio.
        if (before || after) {
            coverage.peak.add(got->peak_ratio,
                              !before ? 0 : (after ? *after / *before : kInfinite));
        }
    }
    return coverage;
}

// With coherency, without, and with it in one of them alone, where percentiles of drawn rounds held
// the limits' ratio in 85 to 91 of 100 pairs and the differences of alpha and beta in 90 to 94:
// half of the estimates of a beta that is 0 are on its bound, from which a curve with some looks
// apart.
TEST(CurveComparison, IntervalsHoldTheTruthWithAndWithoutCoherency) {
    const int pairs = simulations(40);
    // Of so many shares by case some stray by three standard errors.
    const double slack = 4 * std::sqrt(0.95 * 0.05 / pairs);
    struct Case {
        const char* name;
        stats::ScalabilityFit baseline;
        stats::ScalabilityFit candidate;
    };
    ComparisonCoverage all;
    ComparisonCoverage one_alone;  // has coherency: all such pairs
    std::uint64_t seeds = 0;
    for (const auto& [name, baseline, candidate] :
         {Case{"coherency", kBaseline, kCandidate},
          Case{"much of it",
               {.gamma = 1000, .alpha = 0.05, .beta = 0.01},
               {.gamma = 1200, .alpha = 0.1, .beta = 0.02}},
          Case{"none", {.gamma = 1000, .alpha = 0.05}, {.gamma = 900, .alpha = 0.1}},
          Case{"the candidate's", {.gamma = 1000, .alpha = 0.1}, kBaseline},
          Case{"the baseline's",
               {.gamma = 1000, .alpha = 0.05, .beta = 0.01},
               {.gamma = 900, .alpha = 0.05}},
          Case{"nearly lines", {.gamma = 1000, .alpha = 0.02}, {.gamma = 900, .alpha = 0.01}},
          Case{"the same", kBaseline, kBaseline}}) {
        for (const std::size_t rounds : {2U, 3U, 4U, 6U, 10U}) {
            for (const bool both : {true, false}) {
                SCOPED_TRACE(fmt::format("{}, {} rounds, {}", name, rounds, both));
                const auto c = simulate_pairs(baseline, candidate, rounds, both, pairs, seeds++);
                fmt::print(
                    "{}, {} rounds{}: gamma {:.1f} alpha {:.1f} beta {:.1f} limit {:.1f} peak "
                    "{:.1f} %, no limit {:.1f} no peak {:.1f} %\n",
                    name, rounds, both ? " of both" : "", 100 * c.gamma.share(),
                    100 * c.alpha.share(), 100 * c.beta.share(), 100 * c.limit.share(),
                    100 * c.peak.share(), 100.0 * (pairs - c.limit.told) / pairs,
                    100.0 * (pairs - c.peaks_told) / pairs);
                for (const auto& figure : {c.gamma, c.alpha, c.beta, c.limit})
                    EXPECT_GE(figure.share(), 0.95 - std::max(0.02, slack));
                const bool one = (baseline.beta == 0) != (candidate.beta == 0);
                if (c.peak.told > 0 && !one) {
                    const double of_few = 4 * std::sqrt(0.95 * 0.05 / c.peak.told);
                    EXPECT_GE(c.peak.share(), 0.95 - std::max(0.02, of_few));
                }
                EXPECT_EQ(c.gamma.told, pairs);
                EXPECT_GE(c.limit.told, pairs * 9 / 10);
                all.gamma += c.gamma;
                all.alpha += c.alpha;
                all.beta += c.beta;
                if (!one) continue;
                one_alone.limit += c.limit;
                one_alone.peak += c.peak;
            }
        }
    }
    // Each pair has noise of its own, so that all together tell 95 % from the 93 % of intervals
    // that are an eighth too narrow, for which the pairs of one case are too few.
    const auto check = [](const char* name, const Held& held, double slack_min) {
        fmt::print("all {}: {:.2f} % of {}\n", name, 100 * held.share(), held.told);
        const double of_all = 3 * std::sqrt(0.95 * 0.05 / held.told);
        EXPECT_GE(held.share(), 0.95 - std::max(slack_min, of_all)) << name;
    };
    check("gamma", all.gamma, 0.01);
    check("alpha", all.alpha, 0.01);
    check("beta", all.beta, 0.01);
    check("limit where one alone has coherency", one_alone.limit, 0.01);
    // Of the half of these pairs that have a peak each: where one has none that is no error.
    check("peak where one alone has coherency", one_alone.peak, 0.02);
}

// What both curves have in a round is in the spread of neither ratio: 5 %, and intervals of 1 %.
TEST(CurveComparison, LeavesOutWhatBothCurvesHaveInARound) {
    const auto got =
        compare_curves(rounds_of(kBaseline, 8, 0.001, 1, 3), rounds_of(kBaseline, 8, 0.001, 2, 3));
    ASSERT_TRUE(got && got->gamma_ratio && got->limit_ratio);
    for (const auto& ratio : {*got->gamma_ratio, *got->limit_ratio}) {
        EXPECT_GT(ratio.interval.low, 0.99);
        EXPECT_LT(ratio.interval.high, 1.01);
    }
}

// A line's estimate has a peak by chance in half of all pairs. That it has one is not known, so
// that its load has no upper end.
TEST(CurveComparison, HasNoUpperEndWhereNoneIsKnown) {
    const stats::ScalabilityFit line{.gamma = 1000, .alpha = 0.001};
    const stats::ScalabilityFit bent{.gamma = 1000, .alpha = 0.05, .beta = 0.02};
    int ratios = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const auto to_line = compare_curves(rounds_of(bent, 6, 0.05, seed, 100 + seed),
                                            rounds_of(line, 6, 0.05, 50 + seed, 100 + seed));
        ASSERT_TRUE(to_line);
        if (!to_line->peak_ratio) continue;
        ++ratios;
        EXPECT_TRUE(std::isinf(to_line->peak_ratio->interval.high)) << seed;
        EXPECT_GT(to_line->peak_ratio->interval.low, 1) << seed;
    }
    EXPECT_GT(ratios, 3);
}

}  // namespace
}  // namespace crucible::lab::scale
