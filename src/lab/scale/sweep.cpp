#include "lab/scale/sweep.h"

#include <algorithm>

#include "lab/stats/robust.h"

namespace crucible::lab::scale {
namespace {

const MetricValue* find_value(const std::vector<MetricValue>& metrics, std::string_view name) {
    const auto found = std::ranges::find_if(
        metrics, [name](const MetricValue& metric) { return metric.info->name == name; });
    return found == metrics.end() || !found->value ? nullptr : &*found;
}

std::optional<double> median_of(const SweepPoint& point, std::string_view metric) {
    std::vector<double> values;
    for (const auto& round : point.metrics)
        if (const auto* value = find_value(round, metric)) values.push_back(*value->value);
    if (values.empty()) return std::nullopt;
    return stats::median(values);
}

/// Whether it was not there.
bool add_once(std::vector<std::string>& lines, const std::string& line) {
    if (std::ranges::find(lines, line) != lines.end()) return false;
    lines.push_back(line);
    return true;
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
            if (value > 0) result.push_back({load, value});
    }
    return result;
}

void add_to(SweepPoint& point, std::uint32_t round, const ScalingTrial& trial,
            std::vector<MetricValue> metrics) {
    if (!trial.valid()) {
        ++point.invalid_trials;
        add_once(point.invalid, trial.invalid);
        return;
    }
    ++(trial.broken.empty() ? point.held : point.broken);
    if (!trial.broken.empty() && add_once(point.details, trial.detail))
        point.objectives.push_back(trial.broken);
    // A target that died has measured nothing to the end.
    if (trial.failure) return;
    point.rounds.push_back(round);
    point.metrics.push_back(std::move(metrics));
}

std::optional<Degradation> degradation_of(const Sweep& sweep) {
    std::vector<LoadedPoint> points;
    for (const auto& point : sweep.points) {
        const auto throughput = median_of(point, "throughput");
        const auto latency = median_of(point, "latency_p99");
        if (!throughput || !latency || *latency <= 0) continue;
        points.push_back({.load = point.load,
                          .throughput = *throughput,
                          .latency = *latency,
                          .error_rate = median_of(point, "error_rate").value_or(0)});
    }
    if (points.empty()) return std::nullopt;
    return degradation(points);
}

std::optional<LoadSlope> slope_of(const Sweep& sweep, std::string_view metric, double highest) {
    std::vector<double> loads;
    std::vector<double> values;
    for (const auto& [round, by_load] : sweep.by_round(metric)) {
        for (const auto& [load, value] : by_load) {
            if (load > highest) continue;
            loads.push_back(load);
            values.push_back(value);
        }
    }
    if (loads.empty() ||
        std::ranges::count(loads, loads.front()) == static_cast<std::ptrdiff_t>(loads.size()))
        return std::nullopt;
    return slope_against_load(loads, values, 0.95);
}

SweepLimit sweep_limit(const Sweep& sweep) {
    SweepLimit limit;
    for (const auto& point : sweep.points) {
        if (point.held + point.broken == 0) {
            if (limit.invalid.empty() && !point.invalid.empty())
                limit.invalid = point.invalid.front();
            continue;
        }
        if (point.held > point.broken) {
            limit.lower = point.load;
            limit.invalid.clear();
            continue;
        }
        limit.upper = point.load;
        limit.broken = point.objectives.front();
        limit.detail = point.details.front();
        limit.invalid.clear();
        break;
    }
    if (limit.upper) {
        limit.ending = limit.lower ? Ending::found : Ending::below_lowest;
    } else if (!sweep.points.empty() && limit.lower == sweep.points.back().load) {
        limit.ending = Ending::above_highest;
    } else if (!limit.invalid.empty()) {
        limit.ending = Ending::injector_limited;
    }
    return limit;
}

}  // namespace crucible::lab::scale
