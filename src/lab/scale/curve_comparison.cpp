#include "lab/scale/curve_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <utility>

#include "lab/scale/limit_profile.h"
#include "lab/scale/usl.h"

namespace crucible::lab::scale {
namespace {

constexpr std::size_t kLawLoadsMin = 4;

Error bad_curve(std::string message) {
    return {Errc::invalid_argument, "comparing curves: " + std::move(message)};
}

std::optional<Error> curve_error(const CurveRounds& curve, std::string_view name) {
    if (curve.rounds.size() < kComparedRoundsMin) {
        return bad_curve(fmt::format("the {} has {} rounds; at least {}", name, curve.rounds.size(),
                                     kComparedRoundsMin));
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

std::vector<CurvePoint> points_of(const CurveRounds& curve) {
    std::vector<CurvePoint> points;
    for (std::size_t r = 0; r < curve.rounds.size(); ++r) {
        for (std::size_t i = 0; i < curve.loads.size(); ++i)
            points.push_back({curve.loads[i], curve.rounds[r][i], static_cast<std::uint32_t>(r)});
    }
    return points;
}

/// Of alpha and beta (1, 2), round by round: what is left of a difference when a round is.
stats::Interval difference_interval(const UslFit& baseline, const UslFit& candidate,
                                    std::size_t which) {
    const auto rounds = static_cast<double>(baseline.left_out.size());
    double squares = 0;
    for (std::size_t r = 0; r < baseline.left_out.size(); ++r)
        squares += std::pow(candidate.left_out[r][which] - baseline.left_out[r][which], 2);
    const double middle = candidate.centre[which] - baseline.centre[which];
    const double half = baseline.student() * std::sqrt((rounds - 1) / rounds * squares);
    return {middle - half, middle + half};
}

stats::Interval gamma_ratio_interval(const UslFit& baseline, const UslFit& candidate) {
    const auto rounds = static_cast<double>(baseline.left_out.size());
    const double factor = std::pow(baseline.student(), 2) * (rounds - 1) / rounds;
    EstimatePair pair{.numerator = candidate.centre[0], .denominator = baseline.centre[0]};
    for (std::size_t r = 0; r < baseline.left_out.size(); ++r) {
        const double before = baseline.left_out[r][0];
        const double after = candidate.left_out[r][0];
        pair.variance_numerator += factor * after * after;
        pair.variance_denominator += factor * before * before;
        pair.covariance += factor * before * after;
    }
    return ratio_interval(pair);
}

/// From the intervals of both, in ln, as of independent estimates: an end is as far off as both are
/// together that lie on its side (MOVER, Zou and Donner 2008). What a round shares is in gamma, and
/// the peak has none of it.
stats::Interval peak_ratio_interval(const UslFit& baseline, const UslFit& candidate) {
    const auto apart = [](double low, double high) { return std::log(high) - std::log(low); };
    const auto& before = baseline.peak_interval;
    const auto& after = candidate.peak_interval;
    const double ratio = *candidate.peak / *baseline.peak;
    const double down =
        std::hypot(apart(after.low, *candidate.peak), apart(*baseline.peak, before.high));
    const double up =
        std::hypot(apart(*candidate.peak, after.high), apart(before.low, *baseline.peak));
    return {ratio * std::exp(-down), ratio * std::exp(up)};
}

CurveComparison compare_laws(const UslFit& baseline, const UslFit& candidate) {
    const auto around = [&](double estimate, const stats::Interval& interval) {
        return stats::LocationEstimate{estimate, stats::hull(interval, {estimate, estimate}),
                                       baseline.level};
    };
    const auto& before = baseline.law;
    const auto& after = candidate.law;
    CurveComparison comparison{
        .gamma_ratio =
            around(after.gamma / before.gamma, gamma_ratio_interval(baseline, candidate)),
        .alpha_difference =
            around(after.alpha - before.alpha, difference_interval(baseline, candidate, 1)),
        .beta_difference =
            around(after.beta - before.beta, difference_interval(baseline, candidate, 2)),
        .limit_ratio = {},
        .peak_ratio = {}};
    if (baseline.limit && candidate.limit) {
        comparison.limit_ratio =
            around(*candidate.limit / *baseline.limit, limit_ratio_interval(baseline, candidate));
    }
    if (baseline.peak && candidate.peak) {
        comparison.peak_ratio =
            around(*candidate.peak / *baseline.peak, peak_ratio_interval(baseline, candidate));
    }
    return comparison;
}

}  // namespace

Result<CurveComparison> compare_curves(const CurveRounds& baseline, const CurveRounds& candidate,
                                       double level) {
    stats::require_level(level);
    if (auto error = pair_error(baseline, candidate)) {
        return std::unexpected(*std::move(error));
    }
    const auto before = fit_usl(points_of(baseline), Weighting::relative, level);
    const auto after = fit_usl(points_of(candidate), Weighting::relative, level);
    if (!before || !after || before->left_out.empty() || after->left_out.empty())
        return CurveComparison{};
    return compare_laws(*before, *after);
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
