#include "lab/compare/evidence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "base/rng.h"

namespace crucible::lab {
namespace {

using stats::Change;

constexpr std::size_t kFamily = 23;
const double kMargin = std::log(1.05);

RulingOptions options() {
    return {.margin = kMargin, .alpha = 0.05, .family = kFamily, .seed = 1};
}

/// Standard normal by the polar method: the same numbers on every machine.
double normal(base::Rng& rng) {
    for (;;) {
        const double x = 2 * rng.uniform() - 1;
        const double y = 2 * rng.uniform() - 1;
        const double s = x * x + y * y;
        if (s > 0 && s < 1) return x * std::sqrt(-2 * std::log(s) / s);
    }
}

/// Student's t with 3 degrees of freedom: tails far heavier than normal, infinite third moment.
double heavy(base::Rng& rng) {
    double chi = 0;
    for (int i = 0; i < 3; ++i) {
        const double z = normal(rng);
        chi += z * z;
    }
    return normal(rng) / std::sqrt(chi / 3);
}

/// A machine: noise of one trial, besides a drift all trials of a round share.
using Noise = std::function<double(base::Rng&)>;

/// One in twenty trials meets a stall that costs up to ten times the usual spread.
double stalling(base::Rng& rng, double scale) {
    const double base = scale * normal(rng);
    return rng.uniform() < 0.05 ? base + 10 * scale * rng.uniform() : base;
}

/// Rounds of three systems of which the candidate is `effect` (log) larger.
RoundDifferences simulate(base::Rng& rng, std::size_t rounds, double effect, const Noise& noise) {
    RoundDifferences differences;
    double drift = 0;
    for (std::size_t r = 0; r < rounds; ++r) {
        drift = 0.7 * drift + 0.05 * normal(rng);  // a machine that warms up, cools down
        const double baseline = drift + noise(rng);
        const double control = drift + noise(rng);
        const double candidate = drift + noise(rng) + effect;
        differences.candidate_baseline.push_back(candidate - baseline);
        differences.candidate_control.push_back(candidate - control);
        differences.control_baseline.push_back(control - baseline);
    }
    return differences;
}

bool called_different(const RoundDifferences& differences) {
    return find_difference(differences, options(), kMargin) != Change::inconclusive;
}

// Seven rounds all clear: 2 / 3^7; of ten, nine clear: 2 (1 + 10 * 2) / 3^10.
TEST(ClearRounds, PValueIsTheBinomialTail) {
    EXPECT_NEAR(clear_rounds_p_value(7, 7), 2.0 / 2187, 1e-15);
    EXPECT_NEAR(clear_rounds_p_value(10, 9), 42.0 / 59049, 1e-14);
    EXPECT_NEAR(clear_rounds_p_value(10, 10), 2.0 / 59049, 1e-15);
    EXPECT_EQ(clear_rounds_p_value(10, 0), 1);
}

// 5 % shared among 23 metrics is 0.217 %: 6 rounds can't reach it (2 / 729 = 0.274 %), 7 can; of 10
// rounds one may fail, two may not (0.68 %).
TEST(ClearRounds, NeedSevenRoundsForTwentyThreeMetrics) {
    const double level = 0.05 / kFamily;
    EXPECT_EQ(decisive_rounds_min(level), 7u);
    EXPECT_EQ(clear_rounds_min(6, level), std::nullopt);
    EXPECT_EQ(clear_rounds_min(7, level), 7u);
    EXPECT_EQ(clear_rounds_min(10, level), 9u);
    EXPECT_EQ(clear_rounds_min(20, level), 14u);
}

// The promise of the product: identical systems are not called different. Noise six times the
// margin, so that the margin cannot help, heavy tails, stalls, drift, as few as 7 rounds. Measured
// over 30 million simulated metrics the rate is 1e-5 to 3e-5; 0.1 % over 23 metrics is 4.3e-5. With
// 46,000 metrics a setting (2,000 comparisons) one or two alarms are expected; six would be 1.3e-4,
// which the rule without its distance condition (3e-4) reaches with probability 0.99.
TEST(Calibration, IdenticalSystemsAreNotCalledDifferent) {
    const Noise noises[] = {[](base::Rng& rng) { return 0.3 * normal(rng); },
                            [](base::Rng& rng) { return 0.3 * heavy(rng); },
                            [](base::Rng& rng) { return stalling(rng, 0.3); },
                            [](base::Rng& rng) { return 0.02 * heavy(rng); }};
    for (std::size_t rounds : {7u, 8u, 10u, 20u}) {
        for (std::size_t kind = 0; kind < std::size(noises); ++kind) {
            auto rng = base::Rng::at(1, rounds, kind);
            int alarms = 0;
            for (int metric = 0; metric < 2'000 * static_cast<int>(kFamily); ++metric) {
                alarms += called_different(simulate(rng, rounds, 0, noises[kind])) ? 1 : 0;
            }
            EXPECT_LE(alarms, 5) << rounds << " rounds, noise " << kind;
        }
    }
}

// "Changed within the margin" is a claim of a difference too.
TEST(Calibration, IdenticalSystemsAreNotCalledSlightlyDifferent) {
    auto rng = base::Rng(7);
    int alarms = 0;
    for (int metric = 0; metric < 2'000 * static_cast<int>(kFamily); ++metric) {
        const auto differences = simulate(rng, 10, 0, [](base::Rng& r) { return 0.01 * heavy(r); });
        alarms += find_difference(differences, options(), 0) != Change::inconclusive ? 1 : 0;
    }
    EXPECT_LE(alarms, 5);
}

// A rule that never speaks is calibrated too. +30 % in ten rounds of trials that scatter by 4 %,
// with stalls now and then, is found nearly always; +20 % in trials that scatter by 3 %.
TEST(Calibration, RealDifferencesAreFoundInTenRounds) {
    struct Case {
        double effect;
        Noise noise;
    };
    const Case cases[] = {
        {std::log(1.30), [](base::Rng& rng) { return 0.04 * normal(rng); }},
        {std::log(1.30), [](base::Rng& rng) { return 0.025 * heavy(rng); }},
        {-std::log(1.30), [](base::Rng& rng) { return 0.04 * normal(rng); }},
        {std::log(1.20), [](base::Rng& rng) { return 0.025 * normal(rng); }},
    };
    for (std::size_t i = 0; i < std::size(cases); ++i) {
        auto rng = base::Rng::at(3, 0, i);
        int found = 0;
        for (int run = 0; run < 200; ++run) {
            found += called_different(simulate(rng, 10, cases[i].effect, cases[i].noise)) ? 1 : 0;
        }
        EXPECT_GE(found, 190) << "case " << i;
    }
}

// A true change of exactly the margin is not "beyond" it: the rule tests the margin, not zero.
TEST(Calibration, AChangeOfTheMarginItselfIsNotBeyondIt) {
    auto rng = base::Rng(11);
    int alarms = 0;
    for (int metric = 0; metric < 2'000 * static_cast<int>(kFamily); ++metric) {
        alarms += called_different(
                      simulate(rng, 10, kMargin, [](base::Rng& r) { return 0.02 * heavy(r); }))
                      ? 1
                      : 0;
    }
    EXPECT_LE(alarms, 5);
}

/// d against the baseline; the control is the baseline itself.
RoundDifferences steady(std::vector<double> values) {
    return {values, values, std::vector<double>(values.size(), 0.0)};
}

// Ten rounds at +0.10 to +0.109: the interval, the distance and the count all say so.
TEST(Rule, FindsAClearIncrease) {
    std::vector<double> values;
    for (int r = 0; r < 10; ++r) values.push_back(0.10 + 0.001 * r);
    const auto ruling = rule(steady(values), options());
    EXPECT_EQ(ruling.change, Change::increased);
    EXPECT_DOUBLE_EQ(ruling.effect.estimate, 0.1045);
    EXPECT_EQ(ruling.clear_rounds, 10u);
    EXPECT_EQ(ruling.reason,
              "beyond the margin against both copies of the baseline in 10 of 10 rounds");
}

// The same figures in six rounds: nobody may decide from so few.
TEST(Rule, SixRoundsDecideNothing) {
    const auto ruling = rule(steady({0.2, 0.201, 0.202, 0.203, 0.204, 0.205}), options());
    EXPECT_EQ(ruling.change, Change::inconclusive);
    EXPECT_EQ(ruling.reason, "a difference needs at least 7 rounds to be shown");
    EXPECT_EQ(ruling.rounds_needed, 7u);
}

// Five rounds have no 95 % interval at all, so there is none to print.
TEST(Rule, FiveRoundsHaveNoInterval) {
    const auto ruling = rule(steady({0.2, 0.2, 0.2, 0.2, 0.2}), options());
    EXPECT_FALSE(ruling.has_interval);
    EXPECT_DOUBLE_EQ(ruling.effect.estimate, 0.2);
    EXPECT_EQ(ruling.reason, "5 rounds; an interval needs at least 6");
}

// A difference seen against one copy of the baseline and not against the other is the machine's.
TEST(Rule, ADifferenceMustShowAgainstBothCopies) {
    RoundDifferences differences = steady(std::vector<double>(10, 0.10));
    differences.candidate_control.assign(10, 0.0);
    differences.control_baseline.assign(10, 0.10);
    const auto ruling = rule(differences, options());
    EXPECT_EQ(ruling.change, Change::inconclusive);
    EXPECT_EQ(ruling.clear_rounds, 0u);
}

// Both copies agree that the candidate is larger, but not on each other.
TEST(Rule, CopiesThatDifferVoidTheRun) {
    RoundDifferences differences;
    for (int r = 0; r < 10; ++r) {
        differences.candidate_baseline.push_back(0.60 + 0.001 * r);
        differences.candidate_control.push_back(0.40 + 0.001 * r);
        differences.control_baseline.push_back(0.20);
    }
    const auto ruling = rule(differences, options());
    EXPECT_EQ(ruling.change, Change::inconclusive);
    EXPECT_EQ(ruling.reason,
              "the two copies of the baseline differ from each other: the machine was not steady");
}

// Identical to the last bit: equivalent, with an interval of no width.
TEST(Rule, EqualValuesAreEquivalent) {
    const auto ruling = rule(steady(std::vector<double>(8, 0.0)), options());
    EXPECT_EQ(ruling.change, Change::equivalent);
    EXPECT_EQ(ruling.effect.interval, (stats::Interval{0, 0}));
}

// +2 % in every round: real, and of no consequence.
TEST(Rule, SmallSureChangesAreWithinTheMargin) {
    std::vector<double> values;
    for (int r = 0; r < 10; ++r) values.push_back(0.02 + 0.0001 * r);
    EXPECT_EQ(rule(steady(values), options()).change, Change::changed_within_margin);
}

// Noise as wide as the margin: nothing can be said, and the answer is how many rounds would do.
TEST(Rule, NoiseAsWideAsTheMarginIsInconclusive) {
    RoundDifferences differences =
        steady({-0.09, 0.08, -0.07, 0.06, -0.05, 0.05, -0.06, 0.07, -0.08, 0.09});
    const auto ruling = rule(differences, options());
    EXPECT_EQ(ruling.change, Change::inconclusive);
    EXPECT_EQ(ruling.reason, "the interval reaches across the margin");
    ASSERT_TRUE(ruling.rounds_needed);
    // ((1.645 + 0.842) 1.4826 * 0.07 / 0.04879)^2 / 0.955 = 29.3
    EXPECT_EQ(*ruling.rounds_needed, 30u);
}

}  // namespace
}  // namespace crucible::lab
