#include "lab/compare/evidence.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "base/rng.h"

namespace crucible::lab {
namespace {

using stats::Change;

constexpr std::size_t kFamily = 7;
const double kMargin = std::log(1.03);

/// As if the other metrics of the family said nothing: Holm's first step.
Ruling rule_in_family(const RoundDifferences& differences, std::size_t family = kFamily) {
    const auto evidence = weigh(differences, kMargin);
    const auto adjusted = [&](double log_evidence) {
        return std::min(1.0, static_cast<double>(family) * std::exp(-log_evidence));
    };
    return rule(evidence, [&] { return effect_intervals(differences, {}); },
                {.outside = adjusted(evidence.outside), .different = adjusted(evidence.different)},
                {.alpha = 0.05, .family = family});
}

Ruling judge(const RoundDifferences& differences) {
    return rule_in_family(differences);
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
        differences.candidate.push_back({candidate - baseline, candidate - control});
        differences.control.push_back(control - baseline);
    }
    return differences;
}

bool decided_different(const Ruling& ruling) {
    return ruling.change == Change::increased || ruling.change == Change::decreased;
}

// The promise of the product: identical systems are not called different, however often one looks.
// Noise ten times the margin, so that the margin cannot help, heavy tails, stalls, drift. The
// evidence is the largest after any of 30 rounds, so that it is as if each had been the last: of
// 1,400 metrics at a level of 5 % over seven, 10 may be called different (deviation 3.2).
TEST(Calibration, IdenticalSystemsAreNotCalledDifferent) {
    const Noise noises[] = {[](base::Rng& rng) { return 0.3 * normal(rng); },
                            [](base::Rng& rng) { return 0.3 * heavy(rng); },
                            [](base::Rng& rng) { return stalling(rng, 0.3); },
                            [](base::Rng& rng) { return 0.02 * heavy(rng); }};
    for (std::size_t kind = 0; kind < std::size(noises); ++kind) {
        auto rng = base::Rng::at(1, 0, kind);
        int alarms = 0;
        for (int metric = 0; metric < 200 * static_cast<int>(kFamily); ++metric) {
            const auto evidence = weigh(simulate(rng, 30, 0, noises[kind]), kMargin);
            // Without the interval's say: that only lowers it.
            alarms += evidence.outside >= std::log(kFamily / 0.05) ? 1 : 0;
        }
        EXPECT_LE(alarms, 20) << "noise " << kind;
    }
}

// A rule that never speaks is calibrated too. +30 % in ten rounds of trials that scatter by 4 %,
// with stalls now and then, is found nearly always; +20 % in trials that scatter by 2.5 %.
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
            found += decided_different(judge(simulate(rng, 10, cases[i].effect, cases[i].noise)));
        }
        EXPECT_GE(found, 190) << "case " << i;
    }
}

// A true change of exactly the margin is not "beyond" it: the rule tests the margin, not zero. And
// one of +10 % is not "within".
TEST(Calibration, TheMarginIsABoundaryOnBothSides) {
    auto rng = base::Rng(11);
    int beyond = 0;
    int within = 0;
    constexpr int kRuns = 300;
    for (int run = 0; run < kRuns; ++run) {
        const Noise noise = [](base::Rng& r) { return 0.02 * heavy(r); };
        beyond += decided_different(judge(simulate(rng, 10, kMargin, noise)));
        const auto change = judge(simulate(rng, 10, std::log(1.10), noise)).change;
        within += change == Change::equivalent || change == Change::changed_within_margin;
    }
    EXPECT_LE(beyond, kRuns / 50);
    EXPECT_LE(within, kRuns / 100);
}

/// d against both copies of the baseline, which are the same.
RoundDifferences steady(const std::vector<double>& values) {
    RoundDifferences differences;
    for (const double value : values) {
        differences.candidate.push_back({value, value});
        differences.control.push_back(0);
    }
    return differences;
}

// Ten rounds at +0.10 to +0.109: every round says so, and the interval.
TEST(Rule, FindsAClearIncrease) {
    std::vector<double> values;
    for (int r = 0; r < 10; ++r) values.push_back(0.10 + 0.001 * r);
    const auto evidence = weigh(steady(values), kMargin);
    const auto ruling = judge(steady(values));
    EXPECT_EQ(ruling.change, Change::increased);
    EXPECT_TRUE(ruling.different);
    EXPECT_DOUBLE_EQ(*evidence.estimate, 0.1045);
    EXPECT_EQ(evidence.clear_rounds, 10u);
    EXPECT_EQ(ruling.reason,
              "beyond the margin against both copies of the baseline in 10 of 10 rounds");
    EXPECT_FALSE(ruling.rounds_needed);
    for (double& value : values) value = -value;
    EXPECT_EQ(judge(steady(values)).change, Change::decreased);
}

// Six rounds, all clear, are not enough for one of seven metrics (2 * 7 / 0.05 = 280 needs seven),
// and enough for a metric on its own.
TEST(Rule, AFamilyTakesMoreRounds) {
    const auto six = steady(std::vector<double>(6, 0.2));
    const auto ruling = rule_in_family(six);
    EXPECT_EQ(ruling.change, Change::inconclusive);
    EXPECT_EQ(ruling.rounds_needed, 7u);
    EXPECT_EQ(ruling.reason,
              "beyond the margin against both copies of the baseline in 6 of 6 rounds: not yet "
              "enough");
    EXPECT_EQ(rule_in_family(six, 1).change, Change::increased);
    EXPECT_EQ(judge(steady(std::vector<double>(7, 0.2))).change, Change::increased);
}

// Five rounds have no 95 % interval at all, so there is none to print and nothing is decided.
TEST(Rule, FiveRoundsHaveNoInterval) {
    const auto differences = steady(std::vector<double>(5, 0.2));
    EXPECT_FALSE(effect_intervals(differences, {}).effect);
    EXPECT_DOUBLE_EQ(*weigh(differences, kMargin).estimate, 0.2);
    const auto ruling = judge(differences);
    EXPECT_EQ(ruling.change, Change::inconclusive);
    EXPECT_EQ(ruling.reason, "5 rounds; an interval needs at least 6");
    EXPECT_EQ(ruling.rounds_needed, 7u);
}

// A difference seen against one copy of the baseline and not against the other is the machine's.
TEST(Rule, ADifferenceMustShowAgainstBothCopies) {
    RoundDifferences differences;
    for (int r = 0; r < 10; ++r) {
        differences.candidate.push_back({0.10, 0.0});
        differences.control.push_back(r % 2 == 0 ? 0.10 : -0.10);
    }
    const auto evidence = weigh(differences, kMargin);
    EXPECT_EQ(evidence.clear_rounds, 0u);
    EXPECT_EQ(judge(differences).change, Change::inconclusive);
}

// Both copies agree that the candidate is larger, but in 16 rounds not once on each other: 2^16/17
// = 3,855 is more than 7 / 0.005. In ten it could be chance (93).
TEST(Rule, CopiesThatDifferVoidTheMetric) {
    const auto differing = [](int rounds) {
        RoundDifferences differences;
        for (int r = 0; r < rounds; ++r) {
            differences.candidate.push_back({0.60 + 0.001 * r, 0.40 + 0.001 * r});
            differences.control.push_back(0.20);
        }
        return judge(differences);
    };
    EXPECT_EQ(differing(10).change, Change::increased);
    EXPECT_EQ(differing(16).change, Change::inconclusive);
    EXPECT_EQ(differing(16).reason,
              "the two copies of the baseline differ from each other: the machine was not steady");
}

// Identical to the last bit: equivalent, with an interval of no width.
TEST(Rule, EqualValuesAreEquivalent) {
    const auto differences = steady(std::vector<double>(8, 0.0));
    EXPECT_EQ(judge(differences).change, Change::equivalent);
    EXPECT_EQ(*effect_intervals(differences, {}).effect, (stats::Interval{0, 0}));
}

// +2 % in every round: real, and of no consequence.
TEST(Rule, SmallSureChangesAreWithinTheMargin) {
    std::vector<double> values;
    for (int r = 0; r < 10; ++r) values.push_back(0.02 + 0.0001 * r);
    const auto ruling = judge(steady(values));
    EXPECT_EQ(ruling.change, Change::changed_within_margin);
    EXPECT_EQ(ruling.reason, "higher than both copies of the baseline, within the margin");
}

// +3 % and the margin is 3 %: that it is higher is certain, whether it matters is open.
TEST(Rule, OnTheMarginOnlyTheDirectionIsKnown) {
    std::vector<double> values;
    for (int r = 0; r < 10; ++r) values.push_back(kMargin + (r % 2 == 0 ? 0.01 : -0.01));
    const auto ruling = judge(steady(values));
    EXPECT_EQ(ruling.change, Change::inconclusive);
    EXPECT_TRUE(ruling.different);
    EXPECT_EQ(ruling.reason, "higher for certain; whether by more than the margin is open");
}

// Noise wider than the margin: nothing can be said, and the answer is how many rounds would do.
TEST(Rule, NoiseWiderThanTheMarginIsInconclusive) {
    const auto ruling =
        judge(steady({-0.09, 0.08, -0.07, 0.06, -0.05, 0.05, -0.06, 0.07, -0.08, 0.09}));
    EXPECT_EQ(ruling.change, Change::inconclusive);
    EXPECT_FALSE(ruling.different);
    EXPECT_EQ(ruling.reason, "not yet shown to lie within the margin");
    // One side of the margin is 0.0296 / (1.4826 * 0.07 / sqrt 2) = 0.403 deviations of a trial
    // away.
    ASSERT_TRUE(ruling.rounds_needed);
    EXPECT_EQ(*ruling.rounds_needed,
              static_cast<std::uint32_t>(std::ceil(stats::triplet_rounds(
                  std::log(20.0), kMargin * std::sqrt(2.0) / (1.4826022185056018 * 0.07)))));
}

// A latency that does not exist because the candidate was saturated counts as above any other.
TEST(Rule, SaturationIsAResult) {
    RoundDifferences differences;
    for (int r = 0; r < 8; ++r) {
        differences.candidate.push_back({INFINITY, INFINITY});
        differences.control.push_back(0.001);
    }
    EXPECT_FALSE(weigh(differences, kMargin).estimate);
    EXPECT_EQ(judge(differences).change, Change::increased);
}

}  // namespace
}  // namespace crucible::lab
