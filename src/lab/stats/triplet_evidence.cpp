#include "lab/stats/triplet_evidence.h"

#include <algorithm>
#include <array>
#include <numbers>
#include <vector>

#include "base/rng.h"

namespace crucible::lab::stats {
namespace {

constexpr std::array kThetas{0.2, 0.6, 2.4};
/// Of each in the mean. The smallest is for differences that take hundreds of rounds; it must not
/// cost the others much.
constexpr std::array kWeights{0.15, 0.35, 0.5};
/// Of the copies' median distance: found by simulation to lose least in noise with and without
/// stalls.
constexpr double kScale = 0.6;

using Logs = std::array<double, kThetas.size()>;

/// ln of the weighted mean of e-values.
double mixed(const Logs& logs) {
    const double largest = std::ranges::max(logs);
    double sum = 0;
    for (std::size_t i = 0; i < logs.size(); ++i) {
        sum += kWeights[i] * std::exp(logs[i] - largest);
    }
    return largest + std::log(sum);
}

double log_mean(double a, double b) {
    const double largest = std::max(a, b);
    return largest + std::log((std::exp(a - largest) + std::exp(b - largest)) / 2);
}

/// g() of the three values of a round.
struct Scores {
    double candidate;
    double baseline;
    double control;
};

double score(double value, double middle, double scale) {
    // Two infinite values are equal here; their difference would not be a number.
    if (value == middle) return 0;
    const double distance = value - middle;
    if (scale > 0) return std::tanh(distance / scale);
    return distance > 0 ? 1 : -1;
}

/// As seen from the candidate, which is at 0.
Scores scores(const TripletRound& round, double shift, double scale) {
    const double baseline = shift - round.to_baseline;
    const double control = shift - round.to_control;
    const double middle =
        std::max(std::min(baseline, control), std::min(std::max(baseline, control), 0.0));
    return {.candidate = score(0, middle, scale),
            .baseline = score(baseline, middle, scale),
            .control = score(control, middle, scale)};
}

/// ln of a round's factor.
double log_factor(const Scores& g, double theta) {
    const double numerator = theta * g.candidate;
    // Relative to the numerator no term overflows: scores are within [-1, 1].
    return std::log(3 / (1 + std::exp(theta * g.baseline - numerator) +
                         std::exp(theta * g.control - numerator)));
}

/// The scale of each round, from the rounds before it: it must not depend on the round it scores.
std::vector<double> scales(std::span<const TripletRound> rounds) {
    std::vector<double> result;
    std::vector<double> distances;  // ascending
    for (const auto& round : rounds) {
        result.push_back(distances.empty() ? 0 : kScale * distances[distances.size() / 2]);
        const double distance = std::abs(round.to_baseline - round.to_control);
        if (!std::isfinite(distance)) continue;
        distances.insert(std::ranges::upper_bound(distances, distance), distance);
    }
    return result;
}

void require_rounds(std::span<const TripletRound> rounds) {
    for (const auto& round : rounds) {
        CRUCIBLE_ASSERT(!std::isnan(round.to_baseline) && !std::isnan(round.to_control));
    }
}

/// ln E after each round.
std::vector<double> log_e_values(std::span<const TripletRound> rounds,
                                 std::span<const double> scale, double shift, Side side) {
    const double sign = side == Side::above ? 1 : -1;
    Logs logs{};
    std::vector<double> result;
    result.reserve(rounds.size());
    for (std::size_t r = 0; r < rounds.size(); ++r) {
        const Scores g = scores(rounds[r], shift, scale[r]);
        for (std::size_t i = 0; i < logs.size(); ++i) logs[i] += log_factor(g, sign * kThetas[i]);
        result.push_back(mixed(logs));
    }
    return result;
}

double largest(const std::vector<double>& logs) {
    double evidence = 0;
    for (const double log : logs) evidence = std::max(evidence, log);
    return evidence;
}

/// By how much ln of each part of the mean grows in a round, by the candidate's distance.
class GrowthTable {
public:
    GrowthTable() {
        for (int step = 0; step <= kSteps; ++step) growth_.push_back(simulate(distance_at(step)));
    }

    Logs at(double distance) const {
        const double place = kSteps * std::log1p(std::min(distance, kFar)) / std::log1p(kFar);
        const auto step = std::min(static_cast<std::size_t>(place), growth_.size() - 2);
        const double share = place - static_cast<double>(step);
        Logs result;
        for (std::size_t i = 0; i < result.size(); ++i) {
            result[i] = (1 - share) * growth_[step][i] + share * growth_[step + 1][i];
        }
        return result;
    }

private:
    static constexpr int kSteps = 100;
    static constexpr double kFar = 50;  // every round is clear

    static double distance_at(int step) { return std::expm1(std::log1p(kFar) * step / kSteps); }

    static Logs simulate(double distance) {
        constexpr int kRounds = 1000;
        // The median distance of two normal values: sqrt(2) Phi^-1(3/4).
        constexpr double kMedianDistance = 0.9538725524089398;
        base::Rng rng(1);
        const auto normal = [&rng] {
            return std::sqrt(2 * rng.exponential()) *
                   std::cos(2 * std::numbers::pi * rng.uniform());
        };
        Logs sums{};
        for (int r = 0; r < kRounds; ++r) {
            const double candidate = normal() + distance;
            const Scores g =
                scores({candidate - normal(), candidate - normal()}, 0, kScale * kMedianDistance);
            for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += log_factor(g, kThetas[i]);
        }
        for (double& sum : sums) sum /= kRounds;
        // Where there is no difference there is no growth, whatever a thousand rounds say.
        if (distance == 0) {
            for (double& sum : sums) sum = std::min(sum, 0.0);
        }
        return sums;
    }

    std::vector<Logs> growth_;
};

/// The highest shift at which `refused` still holds; it holds below and not above. None: nowhere.
template <typename Refused>
double highest(double low, double high, Refused refused) {
    constexpr int kSteps = 60;
    if (!refused(low)) return -INFINITY;
    for (int i = 0; i < kSteps; ++i) {
        const double middle = low + (high - low) / 2;
        (refused(middle) ? low : high) = middle;
    }
    return low;
}

}  // namespace

double triplet_log_evidence(std::span<const TripletRound> rounds, double shift, Side side) {
    require_rounds(rounds);
    return largest(log_e_values(rounds, scales(rounds), shift, side));
}

double triplet_log_evidence_outside(std::span<const TripletRound> rounds, double margin) {
    require_rounds(rounds);
    CRUCIBLE_ASSERT(margin >= 0);
    const auto scale = scales(rounds);
    const auto above = log_e_values(rounds, scale, margin, Side::above);
    const auto below = log_e_values(rounds, scale, -margin, Side::below);
    double evidence = 0;
    for (std::size_t r = 0; r < rounds.size(); ++r) {
        evidence = std::max(evidence, log_mean(above[r], below[r]));
    }
    return evidence;
}

Interval triplet_confidence_sequence(std::span<const TripletRound> rounds, double level) {
    require_rounds(rounds);
    require_level(level);
    const double needed = std::log(2 / (1 - level));
    const auto scale = scales(rounds);
    double lowest = INFINITY;
    double most = -INFINITY;
    for (const auto& round : rounds) {
        for (const double shift : {round.to_baseline, round.to_control}) {
            if (!std::isfinite(shift)) continue;
            lowest = std::min(lowest, shift);
            most = std::max(most, shift);
        }
    }
    if (lowest > most) return {-INFINITY, INFINITY};
    // So far away that every score is 1 or -1.
    const double away = 100 * (most - lowest) + 1;
    const auto refused = [&](double shift, Side side) {
        return largest(log_e_values(rounds, scale, shift, side)) >= needed;
    };
    return {highest(lowest - away, most, [&](double shift) { return refused(shift, Side::above); }),
            -highest(-most - away, -lowest,
                     [&](double shift) { return refused(-shift, Side::below); })};
}

double triplet_rounds(double evidence, double distance) {
    CRUCIBLE_ASSERT(evidence > 0 && distance >= 0);
    static const GrowthTable table;
    const Logs growth = table.at(distance);
    double rounds = INFINITY;
    for (std::size_t i = 0; i < growth.size(); ++i) {
        // The others' parts of the mean are lost.
        if (growth[i] > 0) {
            rounds = std::min(rounds, (evidence - std::log(kWeights[i])) / growth[i]);
        }
    }
    return rounds;
}

}  // namespace crucible::lab::stats
