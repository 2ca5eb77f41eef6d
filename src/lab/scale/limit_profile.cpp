#include "lab/scale/limit_profile.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "base/assert.h"

namespace crucible::lab::scale {
namespace {

/// gamma over what the law's divisor per unit of load, (1 + alpha (N - 1) + beta N (N - 1)) / N, is
/// where that is least, given beta: alpha - beta + 2 sqrt(beta (1 - alpha)) at the peak, alpha
/// without one, 1 where two do less than one.
struct LeastDivisor {
    double value = 1;
    double by_alpha = 0;  ///< its derivative
};

LeastDivisor least_divisor(double alpha, double beta) {
    if (alpha + beta >= 1) return {};
    return {alpha - beta + 2 * std::sqrt(beta * (1 - alpha)), 1 - std::sqrt(beta / (1 - alpha))};
}

/// What a beta leaves: where the limit is with it.
struct AtBeta {
    double distance = 0;  ///< of that beta, squared, in standard errors
    double gamma = 0;
    LeastDivisor divisor;
};

/// The betas >= 0 within t standard errors, close together where they are small. Distances count
/// from the nearest that is allowed: where the estimate without bounds is negative, 0 costs
/// nothing.
std::vector<AtBeta> allowed_betas(const UslFit& fit) {
    constexpr int kSteps = 40;
    const auto& [gamma, alpha, beta] = fit.centre;
    const double variance = fit.covariance[2][2];
    const double t = fit.student();
    const double outside = std::min(0.0, beta);
    const double reach = std::sqrt(t * t * variance + outside * outside);
    const double nearest = std::max(0.0, beta);
    const double from = std::sqrt(std::max(0.0, beta - reach));
    const double to = std::sqrt(std::max(0.0, beta + reach));
    std::vector<AtBeta> allowed;
    for (int step = -1; step <= kSteps; ++step) {
        const double root = from + (to - from) * step / kSteps;
        const double at = step < 0 ? nearest : root * root;
        const double moved = at - beta;
        const double beyond = moved * moved - outside * outside;
        const double alpha_there = std::max(0.0, alpha + fit.along_beta[1] * moved);
        allowed.push_back({.distance = variance > 0 ? std::min(t * t, beyond / variance) : 0,
                           .gamma = gamma + fit.along_beta[0] * moved,
                           .divisor = least_divisor(alpha_there, at)});
    }
    return allowed;
}

/// How far gamma and alpha move without each round, with beta's share taken out.
struct Moved {
    double gamma = 0;
    double alpha = 0;
};

std::vector<Moved> moved_beside_beta(const UslFit& fit) {
    std::vector<Moved> rounds;
    for (const auto& [gamma, alpha, beta] : fit.left_out) {
        rounds.push_back(
            {.gamma = gamma - fit.along_beta[0] * beta, .alpha = alpha - fit.along_beta[1] * beta});
    }
    return rounds;
}

}  // namespace

stats::Interval ratio_interval(const EstimatePair& pair) {
    const auto& [numerator, denominator, variance_numerator, variance_denominator, covariance] =
        pair;
    // square theta^2 - 2 middle theta + constant <= 0
    const double square = denominator * denominator - variance_denominator;
    const double middle = numerator * denominator - covariance;
    const double constant = numerator * numerator - variance_numerator;
    // Of a denominator that is not 0 only rounding makes it negative.
    const double root = std::sqrt(std::max(0.0, middle * middle - square * constant));
    // The roots are (middle -+ root) / square. Where the square is negative, all between them is
    // excluded, and the lower one is negative where the numerator is above 0.
    const double from_zero = middle + root;
    const double low = constant <= 0 || from_zero <= 0 ? 0 : constant / from_zero;
    if (square <= 0) return {low, std::numeric_limits<double>::infinity()};
    return {low, std::max(0.0, from_zero / square)};
}

stats::Interval limit_interval(const UslFit& fit) {
    const auto& all = fit.covariance;
    const auto& along = fit.along_beta;
    const double t = fit.student();
    // Covariance of gamma and alpha with beta's share taken out: (I - v e') S (I - v e')'.
    std::array<std::array<double, 2>, 2> rest{};
    for (std::size_t i = 0; i < 2; ++i) {
        for (std::size_t j = 0; j < 2; ++j) {
            rest[i][j] = all[i][j] - along[i] * all[2][j] - along[j] * all[i][2] +
                         along[i] * along[j] * all[2][2];
        }
    }
    stats::Interval found{*fit.limit, *fit.limit};
    for (const auto& at : allowed_betas(fit)) {
        const double spare = t * t - at.distance;
        const double slope = at.divisor.by_alpha;
        found = stats::hull(
            found, ratio_interval({.numerator = at.gamma,
                                   .denominator = at.divisor.value,
                                   .variance_numerator = spare * rest[0][0],
                                   .variance_denominator = spare * slope * slope * rest[1][1],
                                   .covariance = spare * slope * rest[0][1]}));
    }
    return found;
}

stats::Interval limit_ratio_interval(const UslFit& baseline, const UslFit& candidate) {
    CRUCIBLE_ASSERT(!baseline.left_out.empty() &&
                    baseline.left_out.size() == candidate.left_out.size());
    const double t = baseline.student();
    const auto before_moved = moved_beside_beta(baseline);
    const auto after_moved = moved_beside_beta(candidate);
    const auto rounds = static_cast<double>(before_moved.size());
    const auto befores = allowed_betas(baseline);
    const auto afters = allowed_betas(candidate);
    const double estimate = *candidate.limit / *baseline.limit;
    stats::Interval found{estimate, estimate};
    for (const auto& before : befores) {
        for (const auto& after : afters) {
            const double spare = (t * t - before.distance - after.distance) * (rounds - 1) / rounds;
            if (spare < 0) continue;
            // gamma / divisor of the candidate over that of the baseline, without fractions.
            EstimatePair pair{.numerator = after.gamma * before.divisor.value,
                              .denominator = before.gamma * after.divisor.value};
            for (std::size_t r = 0; r < before_moved.size(); ++r) {
                const double numerator =
                    after_moved[r].gamma * before.divisor.value +
                    after.gamma * before.divisor.by_alpha * before_moved[r].alpha;
                const double denominator =
                    before_moved[r].gamma * after.divisor.value +
                    before.gamma * after.divisor.by_alpha * after_moved[r].alpha;
                pair.variance_numerator += spare * numerator * numerator;
                pair.variance_denominator += spare * denominator * denominator;
                pair.covariance += spare * numerator * denominator;
            }
            found = stats::hull(found, ratio_interval(pair));
        }
    }
    return found;
}

}  // namespace crucible::lab::scale
