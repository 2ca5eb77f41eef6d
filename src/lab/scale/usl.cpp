#include "lab/scale/usl.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <iterator>
#include <map>
#include <set>

#include "base/assert.h"
#include "lab/stats/robust.h"

namespace crucible::lab::scale {
namespace {

constexpr std::size_t kParameters = 3;
constexpr double kInfinite = std::numeric_limits<double>::infinity();

using Gradient = std::array<double, kParameters>;
using Covariance = std::array<std::array<double, kParameters>, kParameters>;

double law_at(const std::array<double, 3>& p, double n) {
    return p[0] * n / (1 + p[1] * (n - 1) + p[2] * n * (n - 1));
}

/// Of the throughput at load n, by gamma, alpha, beta.
Gradient gradient_at(const std::array<double, 3>& p, double n) {
    const double divisor = 1 + p[1] * (n - 1) + p[2] * n * (n - 1);
    const double slope = -p[0] * n / (divisor * divisor);
    return {n / divisor, slope * (n - 1), slope * n * (n - 1)};
}

double variance_along(const UslFit& fit, const Gradient& gradient) {
    double variance = 0;
    for (std::size_t i = 0; i < kParameters; ++i) {
        for (std::size_t j = 0; j < kParameters; ++j) {
            variance += gradient[i] * fit.covariance[i][j] * gradient[j];
        }
    }
    return std::max(0.0, variance);
}

double student(const UslFit& fit) {
    const boost::math::students_t distribution(static_cast<double>(fit.degrees_of_freedom));
    return boost::math::quantile(distribution, (1 + fit.level) / 2);
}

/// Around the fit without bounds, cut at 0, and with the bounded estimate in it.
stats::Interval parameter_interval(const UslFit& fit, std::size_t which, double estimate) {
    const double half = student(fit) * std::sqrt(fit.covariance[which][which]);
    const double low = std::max(0.0, fit.centre[which] - half);
    const double high = std::max(0.0, fit.centre[which] + half);
    return {std::min(low, estimate), std::max(high, estimate)};
}

/// Two estimates, with t^2 times their variances and covariance.
struct Pair {
    double numerator = 0;
    double denominator = 0;
    double variance_numerator = 0;
    double variance_denominator = 0;
    double covariance = 0;
};

/// All ratios theta > 0 that the pair does not exclude: |numerator - theta denominator| within t of
/// its standard error (Fieller 1954). Without an upper end where the denominator may be 0.
stats::Interval ratio_interval(const Pair& pair) {
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
    if (square <= 0) return {low, kInfinite};
    return {low, std::max(0.0, from_zero / square)};
}

/// Of (1 - alpha) / beta.
stats::Interval squared_peak_interval(const UslFit& fit, double estimate) {
    const double t = student(fit);
    const auto found = ratio_interval({.numerator = 1 - fit.centre[1],
                                       .denominator = fit.centre[2],
                                       .variance_numerator = t * t * fit.covariance[1][1],
                                       .variance_denominator = t * t * fit.covariance[2][2],
                                       .covariance = -t * t * fit.covariance[1][2]});
    return stats::hull(found, {estimate, estimate});
}

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

/// Of the most throughput there is. Near beta = 0 that falls with the root of beta, too steeply for
/// the delta method, and half of the estimates are on the bound where it is. So it is the union
/// over all beta >= 0 of what that beta leaves: the other two are moved to where least squares have
/// them with such a beta, their spread is what remains without beta's, and the squares of the
/// distances of beta and of the ratio together may be t^2 (profile likelihood, as if the estimates
/// were normal). Distances of beta count from the nearest that is allowed: where the estimate
/// without bounds is negative, 0 costs nothing.
stats::Interval limit_interval(const UslFit& fit, const std::array<double, 2>& along_beta) {
    constexpr int kSteps = 40;
    const auto& [gamma, alpha, beta] = fit.centre;
    const auto& all = fit.covariance;
    const double t = student(fit);
    // Covariance of gamma and alpha with beta's share taken out: (I - v e') S (I - v e')'.
    std::array<std::array<double, 2>, 2> rest{};
    for (std::size_t i = 0; i < 2; ++i) {
        for (std::size_t j = 0; j < 2; ++j) {
            rest[i][j] = all[i][j] - along_beta[i] * all[2][j] - along_beta[j] * all[i][2] +
                         along_beta[i] * along_beta[j] * all[2][2];
        }
    }
    const double outside = std::min(0.0, beta);
    const double reach = std::sqrt(t * t * all[2][2] + outside * outside);
    const double nearest = std::max(0.0, beta);
    const double from = std::sqrt(std::max(0.0, beta - reach));
    const double to = std::sqrt(std::max(0.0, beta + reach));
    stats::Interval found{*fit.limit, *fit.limit};
    for (int step = -1; step <= kSteps; ++step) {
        const double root = from + (to - from) * step / kSteps;
        const double at = step < 0 ? nearest : root * root;
        const double moved = at - beta;
        const double spare =
            all[2][2] > 0 ? std::max(0.0, (reach * reach - moved * moved) / all[2][2]) : t * t;
        const double alpha_there = std::max(0.0, alpha + along_beta[1] * moved);
        const auto divisor = least_divisor(alpha_there, at);
        const double slope = divisor.by_alpha;
        found = stats::hull(
            found, ratio_interval({.numerator = gamma + along_beta[0] * moved,
                                   .denominator = divisor.value,
                                   .variance_numerator = spare * rest[0][0],
                                   .variance_denominator = spare * slope * slope * rest[1][1],
                                   .covariance = spare * slope * rest[0][1]}));
    }
    return found;
}

/// `along_beta`: how gamma and alpha of the least squares move for each unit of beta.
void set_peak(UslFit& fit, const std::array<double, 2>& along_beta) {
    if (fit.falls_from_one()) {
        // No load is below one, so that the law's own maximum, if it has one, is none.
        fit.peak = 1;
        fit.peak_interval = {1, std::sqrt(squared_peak_interval(fit, 1).high)};
        fit.limit = fit.law.gamma;
        fit.limit_interval = fit.gamma;
    } else if (fit.law.peak) {
        fit.peak = fit.law.peak;
        const auto squared = squared_peak_interval(fit, *fit.peak * *fit.peak);
        // No load is below one.
        fit.peak_interval = {std::max(1.0, std::sqrt(squared.low)), std::sqrt(squared.high)};
        fit.limit = fit.law.at(*fit.peak);
        fit.limit_interval = limit_interval(fit, along_beta);
    } else if (fit.law.alpha > 0) {
        fit.limit = fit.law.gamma / fit.law.alpha;
        fit.limit_interval = limit_interval(fit, along_beta);
    }
}

struct Columns {
    std::vector<double> loads;
    std::vector<double> throughputs;
    std::vector<double> weights;
    std::vector<std::uint32_t> rounds;
};

/// In the order of load.
Columns columns_of(std::span<const CurvePoint> points, Weighting weighting) {
    std::vector<CurvePoint> sorted(points.begin(), points.end());
    std::ranges::stable_sort(sorted, {}, &CurvePoint::load);
    Columns columns;
    for (const auto& point : sorted) {
        CRUCIBLE_ASSERT(point.load > 0 && point.throughput > 0);
        columns.loads.push_back(point.load);
        columns.throughputs.push_back(point.throughput);
        columns.rounds.push_back(point.round);
    }
    if (weighting == Weighting::equal) return columns;
    for (auto first = sorted.begin(); first != sorted.end();) {
        double sum = 0;
        auto end = first;
        for (; end != sorted.end() && end->load == first->load; ++end) sum += end->throughput;
        const auto count = end - first;
        const double mean = sum / static_cast<double>(count);
        columns.weights.insert(columns.weights.end(), static_cast<std::size_t>(count),
                               1 / (mean * mean));
        first = end;
    }
    return columns;
}

std::size_t count_different(const std::vector<double>& loads) {
    return std::set<double>(loads.begin(), loads.end()).size();
}

/// With fewer loads many curves go through the same points: the fit would be singular.
bool enough_columns(const Columns& columns) {
    return columns.loads.size() >= kUslPointsMin && count_different(columns.loads) >= kUslLoadsMin;
}

/// In the order of load.
Columns without_round(const Columns& columns, std::uint32_t round) {
    Columns rest;
    for (std::size_t i = 0; i < columns.loads.size(); ++i) {
        if (columns.rounds[i] == round) continue;
        rest.loads.push_back(columns.loads[i]);
        rest.throughputs.push_back(columns.throughputs[i]);
        if (!columns.weights.empty()) rest.weights.push_back(columns.weights[i]);
        rest.rounds.push_back(columns.rounds[i]);
    }
    return rest;
}

/// The jackknife over rounds: how far the parameters move when a round is left out says how rounds
/// differ, by noise of each point and of the whole round alike. Where all rounds have the same
/// loads that is, but for the law's curvature, the variance of the mean of the rounds' own fits.
/// With one round, or where there is no fit without one of them, the spread stays that of the
/// residuals.
void set_spread_by_rounds(UslFit& fit, const Columns& columns) {
    const std::set<std::uint32_t> rounds(columns.rounds.begin(), columns.rounds.end());
    if (rounds.size() < 2) return;
    const auto count = static_cast<double>(rounds.size());
    Covariance covariance{};
    for (const std::uint32_t round : rounds) {
        const auto others = without_round(columns, round);
        if (!enough_columns(others)) return;
        const auto left =
            stats::fit_scalability_unbounded(others.loads, others.throughputs, others.weights);
        if (!left) return;
        const std::array<double, kParameters> moved{
            left->gamma - fit.centre[0], left->alpha - fit.centre[1], left->beta - fit.centre[2]};
        for (std::size_t i = 0; i < kParameters; ++i) {
            for (std::size_t j = 0; j < kParameters; ++j)
                covariance[i][j] += (count - 1) / count * moved[i] * moved[j];
        }
    }
    fit.covariance = covariance;
    fit.degrees_of_freedom = rounds.size() - 1;
}

std::optional<UslFit> fit_columns(const Columns& columns, Weighting weighting, double level) {
    if (!enough_columns(columns)) return std::nullopt;
    const auto law = stats::fit_scalability(columns.loads, columns.throughputs, columns.weights);
    if (!law) return std::nullopt;
    UslFit fit{.law = *law, .weighting = weighting, .level = level};
    fit.points = columns.loads.size();
    fit.load_max = columns.loads.back();
    const auto free =
        stats::fit_scalability_unbounded(columns.loads, columns.throughputs, columns.weights);
    if (!free || !free->covariance) return std::nullopt;
    fit.covariance = *free->covariance;
    fit.centre = {free->gamma, free->alpha, free->beta};
    const auto& of_residuals = *free->covariance;
    const double of_beta = of_residuals[2][2];
    const std::array<double, 2> along_beta{of_beta > 0 ? of_residuals[0][2] / of_beta : 0,
                                           of_beta > 0 ? of_residuals[1][2] / of_beta : 0};
    fit.degrees_of_freedom = fit.points - kParameters;
    set_spread_by_rounds(fit, columns);
    fit.gamma = parameter_interval(fit, 0, law->gamma);
    fit.alpha = parameter_interval(fit, 1, law->alpha);
    fit.beta = parameter_interval(fit, 2, law->beta);
    set_peak(fit, along_beta);
    return fit;
}

/// Residuals without what a round shares, in the order of load and round: of a round that does 5 %
/// more than the law all would lie above it, at each load again. Several rounds are each measured
/// against the law times their own mean ratio to it, one against the law itself. A point that has a
/// round for itself says nothing.
std::vector<double> own_residuals(const Columns& columns, const stats::ScalabilityFit& law) {
    struct Ratios {
        double sum = 0;
        double count = 0;
    };
    std::map<std::uint32_t, Ratios> of_round;
    for (std::size_t i = 0; i < columns.loads.size(); ++i) {
        auto& ratios = of_round[columns.rounds[i]];
        ratios.sum += columns.throughputs[i] / law.at(columns.loads[i]);
        ++ratios.count;
    }
    std::vector<double> residuals;
    for (std::size_t i = 0; i < columns.loads.size(); ++i) {
        const auto& ratios = of_round[columns.rounds[i]];
        if (of_round.size() > 1 && ratios.count < 2) continue;
        const double share = of_round.size() > 1 ? ratios.sum / ratios.count : 1;
        residuals.push_back(columns.throughputs[i] - share * law.at(columns.loads[i]));
    }
    return residuals;
}

/// The highest quarter of the loads, each with all its points, measured against the law of the
/// others: a load of which some points stay would be predicted from itself.
std::optional<HoldOut> held_out(const Columns& columns, Weighting weighting, double level) {
    std::map<double, std::vector<double>> by_load;
    for (std::size_t i = 0; i < columns.loads.size(); ++i)
        by_load[columns.loads[i]].push_back(columns.throughputs[i]);
    if (by_load.size() < kHoldOutLoadsMin) return std::nullopt;
    HoldOut result{.held_out = std::max<std::size_t>(1, by_load.size() / 4)};
    const auto first = std::prev(by_load.end(), static_cast<std::ptrdiff_t>(result.held_out));
    const auto kept = static_cast<std::size_t>(
        std::ranges::lower_bound(columns.loads, first->first) - columns.loads.begin());
    Columns lower = columns;
    lower.loads.resize(kept);
    lower.throughputs.resize(kept);
    if (!lower.weights.empty()) lower.weights.resize(kept);
    lower.rounds.clear();  // for intervals, and only the law itself is asked for
    const auto fit = fit_columns(lower, weighting, level);
    if (!fit) {
        result.worst_error = kInfinite;
        return result;
    }
    for (auto at = first; at != by_load.end(); ++at) {
        const double error = fit->law.at(at->first) / stats::median(at->second) - 1;
        result.worst_error = std::max(result.worst_error, std::abs(error));
    }
    result.passed = result.worst_error <= HoldOut::kTolerance;
    return result;
}

}  // namespace

stats::Interval UslFit::curve_interval(double load) const {
    const double half =
        student(*this) * std::sqrt(variance_along(*this, gradient_at(centre, load)));
    const double middle = law_at(centre, load);
    const double estimate = law.at(load);
    return {std::max(0.0, std::min(middle - half, estimate)), std::max(middle + half, estimate)};
}

std::size_t count_loads(std::span<const CurvePoint> points) {
    std::set<double> loads;
    for (const auto& point : points) loads.insert(point.load);
    return loads.size();
}

bool enough_for_usl(std::span<const CurvePoint> points) {
    return points.size() >= kUslPointsMin && count_loads(points) >= kUslLoadsMin;
}

std::optional<UslFit> fit_usl(std::span<const CurvePoint> points, Weighting weighting,
                              double level) {
    stats::require_level(level);
    const auto columns = columns_of(points, weighting);
    auto fit = fit_columns(columns, weighting, level);
    if (!fit) return std::nullopt;
    fit->runs = residual_runs(own_residuals(columns, fit->law));
    fit->hold_out = held_out(columns, weighting, level);
    return fit;
}

ResidualRuns residual_runs(std::span<const double> residuals) {
    stats::require_finite(residuals);
    ResidualRuns result;
    bool before = false;
    for (const double residual : residuals) {
        if (residual == 0) continue;
        const bool above = residual > 0;
        if (result.runs == 0 || above != before) ++result.runs;
        ++(above ? result.above : result.below);
        before = above;
    }
    if (result.above == 0 || result.below == 0) return result;
    // Wald and Wolfowitz (1940): k runs of each sign are C(a-1, k-1) C(b-1, k-1) of C(a+b, a)
    // orders, twice, as either sign may come first.
    const auto log_ways = [](std::size_t of, std::size_t choose) {
        const auto log_factorial = [](std::size_t n) {
            return boost::math::lgamma(static_cast<double>(n) + 1);
        };
        return log_factorial(of) - log_factorial(choose) - log_factorial(of - choose);
    };
    const std::size_t a = result.above;
    const std::size_t b = result.below;
    const double orders = log_ways(a + b, a);
    // Share of the orders in which the residuals above make so many runs, those below so many.
    const auto share = [&](std::size_t runs_above, std::size_t runs_below) {
        if (runs_above > a || runs_below > b) return 0.0;
        return std::exp(log_ways(a - 1, runs_above - 1) + log_ways(b - 1, runs_below - 1) - orders);
    };
    result.p_few = 0;
    for (std::size_t runs = 2; runs <= result.runs; ++runs) {
        const std::size_t k = runs / 2;
        result.p_few += runs % 2 == 0 ? 2 * share(k, k) : share(k, k + 1) + share(k + 1, k);
    }
    result.p_few = std::min(1.0, result.p_few);
    return result;
}

}  // namespace crucible::lab::scale
