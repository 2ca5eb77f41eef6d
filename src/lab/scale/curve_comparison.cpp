#include "lab/scale/curve_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <functional>
#include <map>
#include <span>
#include <utility>

#include "base/assert.h"
#include "base/rng.h"
#include "lab/stats/bootstrap.h"
#include "lab/stats/robust.h"
#include "lab/stats/scalability.h"

namespace crucible::lab::scale {
namespace {

constexpr std::size_t kLawLoadsMin = 4;
/// Draws whose law could not be fitted, or has no peak, may be so few that the interval hardly
/// misses them.
constexpr double kUsableShareMin = 0.95;

Error bad_curve(std::string message) {
    return {Errc::invalid_argument, "comparing curves: " + std::move(message)};
}

std::optional<Error> curve_error(const CurveRounds& curve, std::string_view name) {
    if (curve.rounds.size() < kCurveRoundsMin) {
        return bad_curve(fmt::format("the {} has {} rounds; at least {}", name, curve.rounds.size(),
                                     kCurveRoundsMin));
    }
    for (std::size_t r = 0; r < curve.rounds.size(); ++r) {
        if (curve.rounds[r].size() != curve.loads.size()) {
            return bad_curve(fmt::format("round {} of the {} has {} values for {} loads", r + 1,
                                         name, curve.rounds[r].size(), curve.loads.size()));
        }
        for (std::size_t i = 0; i < curve.loads.size(); ++i) {
            if (curve.rounds[r][i] > 0 && std::isfinite(curve.rounds[r][i])) continue;
            return bad_curve(fmt::format("round {} of the {} is {:g} at {:g}; allowed: above 0",
                                         r + 1, name, curve.rounds[r][i], curve.loads[i]));
        }
    }
    return std::nullopt;
}

std::optional<Error> pair_error(const CurveRounds& baseline, const CurveRounds& candidate) {
    if (baseline.loads != candidate.loads) {
        return bad_curve("baseline and candidate were measured at different loads");
    }
    if (baseline.loads.empty() || !(baseline.loads.front() > 0) ||
        !std::ranges::is_sorted(baseline.loads, std::less_equal<>{}) ||
        !std::isfinite(baseline.loads.back())) {
        return bad_curve("loads are above 0 and ascend");
    }
    if (auto error = curve_error(baseline, "baseline")) return error;
    if (auto error = curve_error(candidate, "candidate")) return error;
    if (baseline.rounds.size() != candidate.rounds.size()) {
        return bad_curve(fmt::format("{} rounds of the baseline, {} of the candidate",
                                     baseline.rounds.size(), candidate.rounds.size()));
    }
    if (baseline.loads.size() < kLawLoadsMin) {
        return bad_curve(fmt::format("{} loads; a scalability law takes {}", baseline.loads.size(),
                                     kLawLoadsMin));
    }
    return std::nullopt;
}

std::vector<double> mean_curve(const CurveRounds& curve, std::span<const std::size_t> drawn) {
    std::vector<double> mean(curve.loads.size());
    for (const std::size_t round : drawn) {
        for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += curve.rounds[round][i];
    }
    for (double& value : mean) value /= static_cast<double>(drawn.size());
    return mean;
}

using DrawnLaw = stats::ScalabilityFit;

/// The laws of both curves, from one draw of rounds; those that could be fitted.
struct DrawnPair {
    std::optional<DrawnLaw> baseline;
    std::optional<DrawnLaw> candidate;
};

std::optional<DrawnLaw> law_of(std::span<const double> loads, std::span<const double> values) {
    std::vector<double> weights;
    for (const double value : values) weights.push_back(1 / (value * value));
    return stats::fit_scalability(loads, values, weights);
}

DrawnPair draw_pair(const CurveRounds& baseline, const CurveRounds& candidate,
                    std::span<const std::size_t> drawn) {
    return {.baseline = law_of(baseline.loads, mean_curve(baseline, drawn)),
            .candidate = law_of(candidate.loads, mean_curve(candidate, drawn))};
}

/// A figure of a pair of curves; nullopt where it has none.
using Figure = std::function<std::optional<double>(const DrawnPair&)>;

class Intervals {
public:
    Intervals(DrawnPair measured, std::vector<DrawnPair> draws, std::size_t rounds, double level)
        : measured_(std::move(measured)), draws_(std::move(draws)), level_(level) {
        tail_ = boost::math::cdf(boost::math::normal(), -stats::expanded_reach(rounds, level));
    }

    std::optional<stats::LocationEstimate> of(const Figure& figure) const {
        const auto estimate = figure(measured_);
        if (!estimate) return std::nullopt;
        std::vector<double> values;
        for (const auto& draw : draws_) {
            if (const auto value = figure(draw)) values.push_back(*value);
        }
        if (static_cast<double>(values.size()) <
            kUsableShareMin * static_cast<double>(draws_.size())) {
            return std::nullopt;
        }
        std::ranges::sort(values);
        const double low = stats::interpolated_quantile(values, tail_);
        const double high = stats::interpolated_quantile(values, 1 - tail_);
        return stats::LocationEstimate{
            *estimate, {std::min(low, *estimate), std::max(high, *estimate)}, level_};
    }

private:
    DrawnPair measured_;
    std::vector<DrawnPair> draws_;
    double level_;
    double tail_ = 0;
};

/// No load is below one: where two do less, one does most.
std::optional<double> peak_load(const DrawnLaw& law) {
    if (law.alpha + law.beta > 1) return 1;
    return law.peak;
}

/// At the peak, else what more and more load comes near to (Amdahl).
std::optional<double> most_throughput(const DrawnLaw& law) {
    if (const auto peak = peak_load(law)) return law.at(*peak);
    if (law.alpha > 0) return law.gamma / law.alpha;
    return std::nullopt;
}

/// Of both laws, where both could be fitted.
Figure of_laws(std::function<std::optional<double>(const DrawnLaw&, const DrawnLaw&)> figure) {
    return [figure = std::move(figure)](const DrawnPair& pair) -> std::optional<double> {
        if (!pair.baseline || !pair.candidate) return std::nullopt;
        return figure(*pair.baseline, *pair.candidate);
    };
}

CurveComparison compare_laws(const Intervals& intervals) {
    CurveComparison comparison;
    comparison.gamma_ratio = intervals.of(
        of_laws([](const DrawnLaw& a, const DrawnLaw& b) { return b.gamma / a.gamma; }));
    comparison.alpha_difference = intervals.of(
        of_laws([](const DrawnLaw& a, const DrawnLaw& b) { return b.alpha - a.alpha; }));
    comparison.beta_difference =
        intervals.of(of_laws([](const DrawnLaw& a, const DrawnLaw& b) { return b.beta - a.beta; }));
    comparison.peak_ratio =
        intervals.of(of_laws([](const DrawnLaw& a, const DrawnLaw& b) -> std::optional<double> {
            const auto before = peak_load(a);
            const auto after = peak_load(b);
            if (!before || !after) return std::nullopt;
            return *after / *before;
        }));
    comparison.limit_ratio =
        intervals.of(of_laws([](const DrawnLaw& a, const DrawnLaw& b) -> std::optional<double> {
            const auto before = most_throughput(a);
            const auto after = most_throughput(b);
            if (!before || !after) return std::nullopt;
            return *after / *before;
        }));
    return comparison;
}

}  // namespace

Result<CurveComparison> compare_curves(const CurveRounds& baseline, const CurveRounds& candidate,
                                       const CurveComparisonOptions& options) {
    stats::require_level(options.level);
    CRUCIBLE_ASSERT(options.draws >= 100);
    if (auto error = pair_error(baseline, candidate)) {
        return std::unexpected(*std::move(error));
    }
    const std::size_t rounds = baseline.rounds.size();
    std::vector<std::size_t> drawn(rounds);
    for (std::size_t i = 0; i < rounds; ++i) drawn[i] = i;
    auto measured = draw_pair(baseline, candidate, drawn);
    base::Rng rng(options.seed);
    std::vector<DrawnPair> draws;
    for (std::uint32_t draw = 0; draw < options.draws; ++draw) {
        for (std::size_t& round : drawn) round = rng.below(rounds);
        draws.push_back(draw_pair(baseline, candidate, drawn));
    }
    return compare_laws(Intervals(std::move(measured), std::move(draws), rounds, options.level));
}

RatioOverLoads ratio_over_loads(const Sweep::ByRound& baseline, const Sweep::ByRound& candidate) {
    std::vector<std::map<double, double>> rounds;  // ln(candidate / baseline) by load
    std::map<double, std::size_t> times;           // that a load has one
    for (const auto& [round, before] : baseline) {
        const auto beside = candidate.find(round);
        if (beside == candidate.end()) continue;
        const std::map<double, double> after(beside->second.begin(), beside->second.end());
        std::map<double, double> logs;
        for (const auto& [load, value] : before) {
            const auto at = after.find(load);
            if (at == after.end() || !(value > 0) || !(at->second > 0)) continue;
            logs[load] = std::log(at->second / value);
            ++times[load];
        }
        if (!logs.empty()) rounds.push_back(std::move(logs));
    }
    // Of a load that saturates a system only chance leaves some rounds a latency, and a round that
    // ended early has few loads: neither takes from the others.
    std::erase_if(times, [&](const auto& load) { return load.second * 2 <= rounds.size(); });
    RatioOverLoads result{.loads = times.size(), .logs = {}};
    for (const auto& logs : rounds) {
        double sum = 0;
        std::size_t found = 0;
        for (const auto& [load, log] : logs) {
            if (!times.contains(load)) continue;
            sum += log;
            ++found;
        }
        if (found > 0 && found == times.size())
            result.logs.push_back(sum / static_cast<double>(found));
    }
    return result;
}

}  // namespace crucible::lab::scale
