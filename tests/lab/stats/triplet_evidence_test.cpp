#include "lab/stats/triplet_evidence.h"

#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "base/rng.h"

namespace crucible::lab::stats {
namespace {

std::vector<TripletRound> equal_rounds(std::size_t n, double d) {
    return std::vector<TripletRound>(n, TripletRound{d, d});
}

const std::vector<std::pair<double, double>> kMixture{{0.2, 0.15}, {0.6, 0.35}, {2.4, 0.5}};

/// Rounds of a candidate that is the baseline shifted by `shift`, with noise from `draw`.
std::vector<TripletRound> simulated(std::size_t n, double shift, base::Rng& rng,
                                    const std::function<double(base::Rng&)>& draw) {
    std::vector<TripletRound> rounds;
    for (std::size_t r = 0; r < n; ++r) {
        const double baseline = draw(rng);
        const double control = draw(rng);
        const double candidate = draw(rng) + shift;
        rounds.push_back({candidate - baseline, candidate - control});
    }
    return rounds;
}

double normal(base::Rng& rng) {
    return std::sqrt(2 * rng.exponential()) * std::cos(6.283185307179586 * rng.uniform());
}

// Both copies equal, so that only the order counts: a clear round multiplies each part of the
// mean by 3 e^t / (e^t + 2): 1.1374 at t = 0.2, 1.4301 at 0.6, 2.5393 at 2.4.
TEST(TripletEvidence, GrowsByClearRounds) {
    const auto e_value = [](int n) {
        double sum = 0;
        for (const auto& [t, weight] : kMixture) {
            sum += weight * std::pow(3 * std::exp(t) / (std::exp(t) + 2), n);
        }
        return std::log(sum);
    };
    for (const int n : {1, 4, 7, 20}) {
        const auto rounds = equal_rounds(static_cast<std::size_t>(n), 0.1);
        EXPECT_NEAR(triplet_log_evidence(rounds, 0.05, Side::above), e_value(n), 1e-12);
        EXPECT_EQ(triplet_log_evidence(rounds, 0.05, Side::below), 0);
        EXPECT_EQ(triplet_log_evidence(rounds, 0.1, Side::above), 0);  // on the shift: says nothing
        EXPECT_NEAR(triplet_log_evidence(rounds, 0.15, Side::below), e_value(n), 1e-12);
        EXPECT_LT(triplet_log_evidence_outside(rounds, 0.05), e_value(n));
        EXPECT_GT(triplet_log_evidence_outside(rounds, 0.05), e_value(n) - std::log(2.0));
    }
    EXPECT_LT(e_value(6), std::log(280));
    EXPECT_GT(e_value(7), std::log(280));  // two sides, seven metrics, 5 %
}

// By hand: the copies 0 and 0.1 apart set the scale 0.06 for the second round. There, with the
// shift 0.2 taken off, the candidate is at 0.3, the copies at 0.2 and 0.24: the middle one is
// 0.24, and g is tanh(1), tanh(-2/3), 0.
TEST(TripletEvidence, ScoresByDistance) {
    const std::vector<TripletRound> rounds{{0.5, 0.6}, {0.3, 0.26}};
    const auto factor = [](double t, double candidate, double a, double b) {
        return 3 * std::exp(t * candidate) /
               (std::exp(t * candidate) + std::exp(t * a) + std::exp(t * b));
    };
    double sum = 0;
    for (const auto& [t, weight] : kMixture) {
        sum += weight * factor(t, 1, -1, 0) * factor(t, std::tanh(1), std::tanh(-2.0 / 3), 0);
    }
    EXPECT_NEAR(triplet_log_evidence(rounds, 0.2, Side::above), std::log(sum), 1e-12);
}

// What was shown once stays shown: the evidence is that of the best moment to stop.
TEST(TripletEvidence, IsKeptWhenLaterRoundsSayNothing) {
    auto rounds = equal_rounds(10, 0.1);
    const double before = triplet_log_evidence(rounds, 0, Side::above);
    rounds.insert(rounds.end(), 10, TripletRound{0.1, -0.1});
    EXPECT_EQ(triplet_log_evidence(rounds, 0, Side::above), before);
}

// Looked at after each of 60 rounds, at identical systems under noise of three kinds, all far
// larger than the margin: at most 5 % ever reach 20 (Ville), and the interval always covers zero in
// at least 95 %. 400 runs: 37 is four standard errors above 20.
TEST(TripletEvidence, KeepsItsLevelUnderPeeking) {
    const std::vector<std::function<double(base::Rng&)>> noises{
        normal, [](base::Rng& rng) { return normal(rng) / std::abs(normal(rng)); },  // Cauchy
        [](base::Rng& rng) {
            return rng.uniform() < 0.1 ? 5.0 : 0.1 * rng.exponential();
        },  // stalls
    };
    base::Rng rng(11);
    for (const auto& noise : noises) {
        int rejected = 0;
        int missed = 0;
        for (int run = 0; run < 400; ++run) {
            const auto rounds = simulated(60, 0, rng, noise);
            rejected += triplet_log_evidence_outside(rounds, 0.001) >= std::log(20.0);
            const auto interval = triplet_confidence_sequence(rounds, 0.95);
            missed += interval.low > 0 || interval.high < 0;
        }
        EXPECT_LE(rejected, 37);
        EXPECT_LE(missed, 37);
    }
}

// A shift of one standard deviation of a trial is found soon, and the interval holds it.
TEST(TripletEvidence, FindsAShift) {
    base::Rng rng(12);
    int found = 0;
    int covered = 0;
    for (int run = 0; run < 200; ++run) {
        const auto rounds = simulated(40, 1, rng, normal);
        found += triplet_log_evidence_outside(rounds, 0) >= std::log(20.0);
        const auto interval = triplet_confidence_sequence(rounds, 0.95);
        covered += interval.low <= 1 && 1 <= interval.high;
    }
    EXPECT_GE(found, 190);
    EXPECT_GE(covered, 190);
}

TEST(TripletEvidence, IntervalIsWhatTheEvidenceDoesNotRefuse) {
    base::Rng rng(13);
    const auto rounds = simulated(30, 0.3, rng, normal);
    const auto interval = triplet_confidence_sequence(rounds, 0.95);
    const double needed = std::log(40.0);
    EXPECT_LT(triplet_log_evidence(rounds, interval.low + 1e-9, Side::above), needed);
    EXPECT_GE(triplet_log_evidence(rounds, interval.low - 1e-9, Side::above), needed);
    EXPECT_LT(triplet_log_evidence(rounds, interval.high - 1e-9, Side::below), needed);
    EXPECT_GE(triplet_log_evidence(rounds, interval.high + 1e-9, Side::below), needed);
    const auto none = triplet_confidence_sequence(equal_rounds(3, 0.1), 0.95);
    EXPECT_EQ(none.low, -INFINITY);
    EXPECT_EQ(none.high, INFINITY);
}

// Without a difference it never comes; far away every round is clear; in between as simulated.
TEST(TripletEvidence, RoundsAreForetold) {
    EXPECT_EQ(triplet_rounds(5, 0), INFINITY);
    // Far away the candidate scores 1, one copy 0, the other between -1 and 0.
    const double needed = std::log(280) - std::log(0.5);
    const double best = std::log(3 * std::exp(2.4) / (std::exp(2.4) + 1 + std::exp(-2.4)));
    const double worst = std::log(3 * std::exp(2.4) / (std::exp(2.4) + 2));
    EXPECT_GT(triplet_rounds(std::log(280), 100), needed / best);
    EXPECT_LT(triplet_rounds(std::log(280), 100), needed / worst);
    base::Rng rng(14);
    constexpr std::size_t kRounds = 4000;
    for (const double distance : {0.3, 1.0, 3.0}) {
        const auto rounds = simulated(kRounds, distance, rng, normal);
        const double evidence = triplet_log_evidence(rounds, 0, Side::above);
        EXPECT_NEAR(triplet_rounds(evidence, distance) / kRounds, 1, 0.15) << distance;
    }
}

// A round without a comparable value speaks for no side at any shift.
TEST(TripletEvidence, SilentRoundsSayNothing) {
    const std::vector<TripletRound> rounds(50, TripletRound::silent());
    for (const double shift : {-10.0, 0.0, 10.0}) {
        EXPECT_EQ(triplet_log_evidence(rounds, shift, Side::above), 0);
        EXPECT_EQ(triplet_log_evidence(rounds, shift, Side::below), 0);
    }
    EXPECT_EQ(triplet_confidence_sequence(rounds, 0.95), (Interval{-INFINITY, INFINITY}));
    // An infinite latency, that of a saturated system, is above any shift.
    const std::vector<TripletRound> saturated(7, TripletRound{INFINITY, INFINITY});
    EXPECT_GT(triplet_log_evidence(saturated, 0.05, Side::above), std::log(280));
}

}  // namespace
}  // namespace crucible::lab::stats
