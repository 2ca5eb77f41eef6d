#include "lab/scale/knee_posterior.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/assert.h"

namespace crucible::lab::scale {
namespace {

/// Relative. Machines that are quiet, ordinary and shared; the grid's factor of two is finer than
/// some tens of trials can tell apart.
constexpr std::array kSpreads{0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16};
/// Trials by chance are rarely none and rarely one in ten; the prior says so.
constexpr std::array kLapses{0.002, 0.03, 0.1};
constexpr std::array kLapsePriors{0.4, 0.4, 0.2};
constexpr std::size_t kLapsePairs = kLapses.size() * kLapses.size();
constexpr std::size_t kCells = kSpreads.size() * kLapsePairs;  ///< of one knee
constexpr double kEdge = 0.02;

double broken_by_chance(std::size_t pair) {
    return kLapses[pair / kLapses.size()];
}
double held_by_chance(std::size_t pair) {
    return kLapses[pair % kLapses.size()];
}

double normal_share(double z) {
    return 0.5 * std::erfc(-z / std::sqrt(2.0));
}

/// The same from a table, to 1e-6: to choose a load, some hundred thousand of them are looked at.
double normal_share_near(double z) {
    constexpr double kEnd = 6;
    constexpr int kPerUnit = 256;
    static const auto table = [] {
        std::array<double, static_cast<std::size_t>(2 * kEnd * kPerUnit) + 2> shares{};
        for (std::size_t i = 0; i < shares.size(); ++i) {
            shares[i] = normal_share(static_cast<double>(i) / kPerUnit - kEnd);
        }
        return shares;
    }();
    if (z <= -kEnd) return 0;
    if (z >= kEnd) return 1;
    const double place = (z + kEnd) * kPerUnit;
    const auto below = static_cast<std::size_t>(place);
    const double share = place - static_cast<double>(below);
    return table[below] + share * (table[below + 1] - table[below]);
}

double entropy(double p) {
    if (p <= 0 || p >= 1) return 0;
    return -p * std::log(p) - (1 - p) * std::log1p(-p);
}

}  // namespace

KneePosterior::KneePosterior(double low, double high, double step)
    : low_log_(std::log(low)), step_log_(std::log1p(step)) {
    CRUCIBLE_ASSERT(low > 0 && low < high && std::isfinite(high) && step > 0);
    knees_ = static_cast<std::size_t>(std::ceil(std::log(high / low) / step_log_)) + 1;
    weights_.resize(knees_ * kCells);
    for (std::size_t k = 0; k < knees_; ++k) {
        for (std::size_t s = 0; s < kSpreads.size(); ++s) {
            for (std::size_t pair = 0; pair < kLapsePairs; ++pair) {
                weights_[cell(k, s, pair)] = kLapsePriors[pair / kLapses.size()] *
                                             kLapsePriors[pair % kLapses.size()] /
                                             static_cast<double>(knees_ * kSpreads.size());
            }
        }
    }
    marginal_.assign(knees_, 1 / static_cast<double>(knees_));
}

double KneePosterior::knee(std::size_t index) const {
    return std::exp(low_log_ + step_log_ * static_cast<double>(index));
}

std::size_t KneePosterior::cell(std::size_t knee, std::size_t spread, std::size_t lapse) const {
    return (knee * kSpreads.size() + spread) * kLapsePairs + lapse;
}

void KneePosterior::add(const KneeEvidence& trial) {
    CRUCIBLE_ASSERT(trial.load > 0 && std::isfinite(trial.load));
    const double load_log = std::log(trial.load);
    double sum = 0;
    for (std::size_t k = 0; k < knees_; ++k) {
        const double distance = load_log - (low_log_ + step_log_ * static_cast<double>(k));
        for (std::size_t s = 0; s < kSpreads.size(); ++s) {
            const double beyond = normal_share(distance / kSpreads[s]);
            for (std::size_t pair = 0; pair < kLapsePairs; ++pair) {
                const double a = broken_by_chance(pair);
                const double broken = a + (1 - a - held_by_chance(pair)) * beyond;
                double& weight = weights_[cell(k, s, pair)];
                weight *= trial.broken ? broken : 1 - broken;
                sum += weight;
            }
        }
    }
    // No trial is impossible: every lapse share is above 0.
    for (double& weight : weights_) weight /= sum;
    update_marginal();
}

void KneePosterior::update_marginal() {
    for (std::size_t k = 0; k < knees_; ++k) {
        marginal_[k] = 0;
        for (std::size_t i = 0; i < kCells; ++i) marginal_[k] += weights_[k * kCells + i];
    }
}

double KneePosterior::quantile(double p) const {
    CRUCIBLE_ASSERT(p > 0 && p < 1);
    double below = 0;
    for (std::size_t k = 0; k < knees_; ++k) {
        if (below + marginal_[k] >= p) {
            // A grid point stands for half a step to each side.
            const double share = (p - below) / marginal_[k] - 0.5;
            return std::exp(low_log_ + step_log_ * (static_cast<double>(k) + share));
        }
        below += marginal_[k];
    }
    return knee(knees_ - 1);
}

stats::Interval KneePosterior::interval(double level) const {
    stats::require_level(level);
    return {quantile((1 - level) / 2), quantile((1 + level) / 2)};
}

stats::Interval KneePosterior::edge_shares() const {
    const auto edge = static_cast<std::size_t>(std::ceil(kEdge * static_cast<double>(knees_)));
    stats::Interval shares;
    for (std::size_t k = 0; k < edge; ++k) {
        shares.low += marginal_[k];
        shares.high += marginal_[knees_ - 1 - k];
    }
    return shares;
}

std::vector<double> KneePosterior::expected_information(std::span<const double> loads) const {
    // Given a knee, P(broken) = chance[k] + sum over s of graded[k][s] Phi_s.
    std::vector<double> chance(knees_);
    std::vector<double> graded(knees_ * kSpreads.size());
    std::vector<std::size_t> likely;
    constexpr double kNegligible = 1e-6;
    for (std::size_t k = 0; k < knees_; ++k) {
        if (marginal_[k] < kNegligible) continue;
        likely.push_back(k);
        for (std::size_t s = 0; s < kSpreads.size(); ++s) {
            for (std::size_t pair = 0; pair < kLapsePairs; ++pair) {
                const double weight = weights_[cell(k, s, pair)];
                const double a = broken_by_chance(pair);
                chance[k] += weight * a;
                graded[k * kSpreads.size() + s] += weight * (1 - a - held_by_chance(pair));
            }
        }
    }
    std::vector<double> information;
    for (const double load : loads) {
        const double load_log = std::log(load);
        double overall = 0;
        double given_knee = 0;
        for (const std::size_t k : likely) {
            const double distance = load_log - (low_log_ + step_log_ * static_cast<double>(k));
            double broken = chance[k];
            for (std::size_t s = 0; s < kSpreads.size(); ++s) {
                broken +=
                    graded[k * kSpreads.size() + s] * normal_share_near(distance / kSpreads[s]);
            }
            overall += broken;
            given_knee += marginal_[k] * entropy(broken / marginal_[k]);
        }
        information.push_back(entropy(overall) - given_knee);
    }
    return information;
}

double KneePosterior::mean_spread() const {
    double mean = 0;
    for (std::size_t i = 0; i < weights_.size(); ++i) {
        mean += weights_[i] * kSpreads[i / kLapsePairs % kSpreads.size()];
    }
    return mean;
}

double KneePosterior::mean_spurious_share() const {
    double mean = 0;
    for (std::size_t i = 0; i < weights_.size(); ++i) {
        const std::size_t pair = i % kLapsePairs;
        mean += weights_[i] * (broken_by_chance(pair) + held_by_chance(pair)) / 2;
    }
    return mean;
}

}  // namespace crucible::lab::scale
