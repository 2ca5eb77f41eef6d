#include "lab/scale/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <span>

#include "lab/stats/signed_rank.h"
#include "lab/stats/trend.h"

namespace crucible::lab::scale {
namespace {

constexpr double kSlopeLevel = 0.95;

const MetricValue* find_value(const std::vector<MetricValue>& metrics, std::string_view name) {
    const auto found = std::ranges::find_if(
        metrics, [name](const MetricValue& metric) { return metric.info->name == name; });
    return found == metrics.end() || !found->value ? nullptr : &*found;
}

/// What metrics_over_rounds() shows where every round has it, so that both say the same of a load.
std::optional<double> over_rounds(const SweepPoint& point, std::string_view metric) {
    std::vector<double> values;
    for (const auto& round : point.metrics)
        if (const auto* value = find_value(round, metric)) values.push_back(*value->value);
    if (values.empty()) return std::nullopt;
    return stats::hodges_lehmann_estimate(values);
}

/// Rounds that have a latency.
std::size_t timed_rounds(const SweepPoint& point) {
    return static_cast<std::size_t>(
        std::ranges::count_if(point.metrics, [](const std::vector<MetricValue>& metrics) {
            return find_value(metrics, "latency_p99") != nullptr;
        }));
}

void add_once(std::vector<std::string>& lines, const std::string& line) {
    if (std::ranges::find(lines, line) == lines.end()) lines.push_back(line);
}

/// Throughput of the rounds that have it, above 0, at each of `loads`.
CurveRounds complete_rounds(const Sweep::ByRound& by_round, const std::vector<double>& loads) {
    CurveRounds complete{.loads = loads, .rounds = {}};
    for (const auto& [round, values] : by_round) {
        std::vector<double> throughput;
        for (const auto& [load, value] : values) {
            if (value > 0 && std::ranges::find(loads, load) != loads.end())
                throughput.push_back(value);
        }
        if (throughput.size() == loads.size()) complete.rounds.push_back(std::move(throughput));
    }
    return complete;
}

void judge_throughput(Degradation& found, const Sweep& sweep, const std::vector<double>& loads,
                      std::uint64_t seed) {
    const auto by_round = sweep.by_round("throughput");
    const auto complete = complete_rounds(by_round, loads);
    if (complete.rounds.size() >= kDegradationRoundsMin) {
        set_throughput_intervals(found, complete, seed);
        return;
    }
    found.best_load.absent = found.throughput_lost.absent =
        fmt::format("{} of {} rounds have every load; at least {}", complete.rounds.size(),
                    by_round.size(), kDegradationRoundsMin);
}

using Difference = std::function<double(double before, double after)>;

/// Of a metric from one load to another within rounds: Hodges and Lehmann's interval.
std::optional<stats::Interval> within_rounds(const Sweep& sweep, std::string_view metric,
                                             double from, double to, const Difference& difference) {
    std::vector<double> differences;
    for (const auto& [round, values] : sweep.by_round(metric)) {
        const auto before = std::ranges::find(values, from, &std::pair<double, double>::first);
        const auto after = std::ranges::find(values, to, &std::pair<double, double>::first);
        if (before == values.end() || after == values.end()) continue;
        const double value = difference(before->second, after->second);
        if (std::isfinite(value)) differences.push_back(value);
    }
    const auto located = stats::hodges_lehmann(differences, 0.95);
    return located ? std::optional(located->interval) : std::nullopt;
}

void set_interval(DegradationFigure& figure, const std::optional<stats::Interval>& interval) {
    if (interval) {
        figure.interval = stats::hull(*interval, {*figure.value, *figure.value});
    } else {
        figure.absent = "fewer than 6 rounds have both loads";
    }
}

void judge_growth(DegradationFigure& figure, const Sweep& sweep, double from, double to) {
    auto interval = within_rounds(sweep, "latency_p99", from, to, [](double before, double after) {
        return std::log(after / before);
    });
    if (interval) interval = {std::exp(interval->low), std::exp(interval->high)};
    set_interval(figure, interval);
}

void judge_rise(DegradationFigure& figure, const Sweep& sweep, double from, double to) {
    set_interval(figure, within_rounds(sweep, "error_rate", from, to,
                                       [](double before, double after) { return after - before; }));
}

}  // namespace

Sweep::ByRound Sweep::by_round(std::string_view metric) const {
    ByRound result;
    for (const auto& point : points) {
        for (std::size_t i = 0; i < point.rounds.size(); ++i) {
            if (const auto* value = find_value(point.metrics[i], metric))
                result[point.rounds[i]].emplace_back(point.load, *value->value);
        }
    }
    return result;
}

std::vector<CurvePoint> Sweep::curve(std::string_view metric) const {
    std::vector<CurvePoint> result;
    for (const auto& [round, values] : by_round(metric)) {
        for (const auto& [load, value] : values)
            if (value > 0) result.push_back({load, value, round});
    }
    return result;
}

void add_to(SweepPoint& point, std::uint32_t round, const ScalingTrial& trial,
            std::vector<MetricValue> metrics) {
    if (!trial.valid()) {
        add_once(point.invalid, trial.invalid);
        return;
    }
    ++(trial.broken.empty() ? point.held : point.broken);
    if (!trial.broken.empty()) add_once(point.details, trial.detail);
    // A target that died has measured nothing to the end.
    if (trial.failure) return;
    point.rounds.push_back(round);
    point.metrics.push_back(std::move(metrics));
}

std::optional<Degradation> degradation_of(const Sweep& sweep, std::uint64_t seed) {
    std::vector<LoadedPoint> points;
    std::vector<double> loads;
    for (const auto& point : sweep.points) {
        const auto throughput = over_rounds(point, "throughput");
        if (!throughput) continue;
        auto latency = over_rounds(point, "latency_p99");
        // Of a load that saturates it only chance leaves some rounds a latency.
        if (timed_rounds(point) * 2 <= point.rounds.size() || latency.value_or(0) <= 0)
            latency.reset();
        points.push_back({.load = point.load,
                          .throughput = *throughput,
                          .latency = latency,
                          .error_rate = over_rounds(point, "error_rate").value_or(0)});
        loads.push_back(point.load);
    }
    if (points.empty()) return std::nullopt;
    auto found = degradation(points);
    judge_throughput(found, sweep, loads, seed);
    const double best = *found.best_load.value;
    if (found.latency_growth.value)
        judge_growth(found.latency_growth, sweep, *found.latency_from, *found.latency_to);
    if (found.latency_growth_past.value)
        judge_growth(found.latency_growth_past, sweep, best, *found.latency_to);
    judge_rise(found.error_rise, sweep, loads.front(), loads.back());
    judge_rise(found.error_rise_past, sweep, best, loads.back());
    return found;
}

std::optional<LoadSlope> slope_of(const Sweep& sweep, std::string_view metric, double highest) {
    std::vector<double> loads;
    std::vector<double> values;
    std::vector<double> slopes;  // of the rounds with two loads or more
    for (const auto& [round, by_load] : sweep.by_round(metric)) {
        const std::size_t first = loads.size();
        for (const auto& [load, value] : by_load) {
            if (load > highest) continue;
            loads.push_back(load);
            values.push_back(value);
        }
        if (loads.size() - first >= 2) {
            slopes.push_back(stats::theil_sen_slope(std::span(loads).subspan(first),
                                                    std::span(values).subspan(first)));
        }
    }
    if (loads.empty() ||
        std::ranges::count(loads, loads.front()) == static_cast<std::ptrdiff_t>(loads.size()))
        return std::nullopt;
    auto found = slope_against_load(loads, values, kSlopeLevel);
    if (slopes.size() >= 2) {
        constexpr double kInfinite = std::numeric_limits<double>::infinity();
        const double estimate = found.slope.estimate;
        const auto located = stats::hodges_lehmann(slopes, kSlopeLevel);
        found.slope.interval = located ? stats::hull(located->interval, {estimate, estimate})
                                       : stats::Interval{-kInfinite, kInfinite};
    }
    return found;
}

std::optional<LoadLimit> limit_of(const Sweep& sweep) {
    LoadLimit limit;
    for (const auto& point : sweep.points) {
        if (point.held > point.broken) {
            limit.lower = point.load;
        } else if (point.broken > 0) {
            limit.upper = point.load;
            limit.detail = point.details.front();
            return limit;
        }
    }
    return std::nullopt;
}

}  // namespace crucible::lab::scale
