#include "lab/scale/usl.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "base/assert.h"
#include "lab/scale/limit_profile.h"
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

/// Around the fit without bounds, cut at 0, and with the bounded estimate in it.
stats::Interval parameter_interval(const UslFit& fit, std::size_t which, double estimate) {
    const double half = fit.student() * std::sqrt(fit.covariance[which][which]);
    const double low = std::max(0.0, fit.centre[which] - half);
    const double high = std::max(0.0, fit.centre[which] + half);
    return {std::min(low, estimate), std::max(high, estimate)};
}

/// Of (1 - alpha) / beta.
stats::Interval squared_peak_interval(const UslFit& fit, double estimate) {
    const double t = fit.student();
    const auto found = ratio_interval({.numerator = 1 - fit.centre[1],
                                       .denominator = fit.centre[2],
                                       .variance_numerator = t * t * fit.covariance[1][1],
                                       .variance_denominator = t * t * fit.covariance[2][2],
                                       .covariance = -t * t * fit.covariance[1][2]});
    return stats::hull(found, {estimate, estimate});
}

void set_peak(UslFit& fit) {
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
        fit.limit_interval = limit_interval(fit);
    } else if (fit.law.alpha > 0) {
        fit.limit = fit.law.gamma / fit.law.alpha;
        fit.limit_interval = limit_interval(fit);
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
    std::vector<std::array<double, kParameters>> left_out;
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
        left_out.push_back(moved);
    }
    fit.covariance = covariance;
    fit.left_out = std::move(left_out);
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
    if (of_beta > 0) fit.along_beta = {of_residuals[0][2] / of_beta, of_residuals[1][2] / of_beta};
    fit.degrees_of_freedom = fit.points - kParameters;
    set_spread_by_rounds(fit, columns);
    fit.gamma = parameter_interval(fit, 0, law->gamma);
    fit.alpha = parameter_interval(fit, 1, law->alpha);
    fit.beta = parameter_interval(fit, 2, law->beta);
    set_peak(fit);
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

double UslFit::student() const {
    const boost::math::students_t distribution(static_cast<double>(degrees_of_freedom));
    return boost::math::quantile(distribution, (1 + level) / 2);
}

stats::Interval UslFit::curve_interval(double load) const {
    const double half = student() * std::sqrt(variance_along(*this, gradient_at(centre, load)));
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
