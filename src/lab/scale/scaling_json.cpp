#include "lab/scale/scaling_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "lab/compare/json_parts.h"
#include "lab/scale/bottleneck_json.h"
#include "lab/scale/curve_comparison.h"

namespace crucible::lab::scale {
namespace {

using nlohmann::json;

/// Of the law's curve in charts.
constexpr std::size_t kCurvePoints = 60;
/// What is told of as it grows with the load, and compared between targets.
constexpr std::array<std::string_view, 6> kSlopes{"memory_peak", "memory_mean",     "latency_p50",
                                                  "latency_p99", "cpu_utilization", "threads"};
constexpr std::array<std::string_view, 6> kCompared{"throughput",    "latency_p50", "latency_p99",
                                                    "cpu_per_event", "memory_peak", "fairness"};

json interval_json(double value, const stats::Interval& interval) {
    return {{"value", number(value)},
            {"ci_low", number(interval.low)},
            {"ci_high", number(interval.high)}};
}

std::string_view sign_of(SloLimit::Side side) noexcept {
    switch (side) {
        case SloLimit::Side::below:
            return "<";
        case SloLimit::Side::at_most:
            return "<=";
        case SloLimit::Side::above:
            return ">";
        case SloLimit::Side::at_least:
            return ">=";
    }
    return "";
}

json slo_json(const Slo& slo) {
    if (slo.limits.empty()) return nullptr;
    json limits = json::array();
    for (const auto& limit : slo.limits) {
        limits.push_back({{"metric", limit.metric->name},
                          {"side", sign_of(limit.side)},
                          {"bound", limit.bound},
                          {"unit", limit.metric->unit},
                          {"text", limit.text}});
    }
    return {{"text", slo.text}, {"limits", std::move(limits)}};
}

json points_json(const Sweep& sweep) {
    json points = json::array();
    for (const auto& point : sweep.points) {
        points.push_back({{"load", point.load},
                          {"rounds", point.rounds.size()},
                          {"held", point.held},
                          {"broken", point.broken},
                          {"details", point.details},
                          {"invalid", point.invalid},
                          {"metrics", metrics_over_rounds(point.metrics)}});
    }
    return points;
}

/// Latency near a breaking point is no straight line: its slope is of the loads below.
double highest_of_slope(const TargetScaling& target, std::string_view metric) {
    constexpr double kAll = std::numeric_limits<double>::infinity();
    if (!metric.starts_with("latency_")) return kAll;
    if (target.limit && target.limit->point.upper_bound)
        return target.limit->point.lower_bound.value_or(0);
    return kAll;
}

json slopes_json(const TargetScaling& target) {
    json result = json::array();
    for (const auto name : kSlopes) {
        json slope{{"name", name},       {"unit", find_metric(name)->unit},
                   {"value", nullptr},   {"ci_low", nullptr},
                   {"ci_high", nullptr}, {"p_value", nullptr}};
        if (const auto found = slope_of(target.sweep, name, highest_of_slope(target, name))) {
            slope.update(interval_json(found->slope.estimate, found->slope.interval));
            slope["p_value"] = number(found->p_value);
        }
        result.push_back(std::move(slope));
    }
    return result;
}

json course_json(const std::vector<LimitFound::Trial>& trials) {
    json course = json::array();
    for (const auto& trial : trials) {
        course.push_back({{"stage", to_string(trial.stage)},
                          {"load", trial.load},
                          {"seconds", number(trial.seconds)},
                          {"valid", trial.valid},
                          {"broken", trial.broken.empty() ? json(nullptr) : json(trial.broken)},
                          {"throughput", number(trial.throughput)},
                          {"latency_p99", number(trial.latency_p99)}});
    }
    return course;
}

json limit_json(Axis axis, const LimitFound& found) {
    const auto& point = found.point;
    json result{{"lower", number(point.lower_bound)},
                {"upper", number(point.upper_bound)},
                {"value", nullptr},
                {"ci_low", nullptr},
                {"ci_high", nullptr},
                {"unit", unit_of(axis)},
                {"ending", to_string(point.ending)},
                {"slo_broken", found.broken.empty() ? json(nullptr) : json(found.broken)},
                {"detail", found.detail},
                {"conditional_throughput", number(point.conditional_throughput)},
                {"trials", point.trials},
                {"invalid_trials", point.invalid_trials},
                {"other_trials", point.other_trials},
                {"invalid", found.invalid},
                {"spread", number(point.spread)},
                {"spurious_share", number(point.spurious_share)},
                {"soak_passed", nullptr},
                {"soak_load", number(point.soak_load)},
                {"soak_absent", found.soak_absent},
                {"reopened", point.reopened},
                {"hysteresis", nullptr},
                {"hysteresis_absent", found.hysteresis_absent},
                {"died", nullptr},
                {"course", course_json(found.trials)}};
    if (point.estimate)
        result.update(interval_json(point.estimate->estimate, point.estimate->interval));
    if (point.soak_passed) result["soak_passed"] = *point.soak_passed;
    if (point.hysteresis) {
        result["hysteresis"] = {
            {"present", point.hysteresis->present},
            {"recovers_at", number(point.hysteresis->recovers_at)},
            {"broken_down_to", number(point.hysteresis->broken_down_to)},
            {"recovery_seconds", number(found.recovery_seconds)},
            {"recovery_allowed_seconds", number(found.recovery_allowed_seconds)}};
    }
    if (!found.death.empty())
        result["died"] = {{"load", number(found.died_at)}, {"message", found.death}};
    return result;
}

/// What the axis itself sets has no value of its own.
json axis_load_json(const ScalingOptions& options) {
    json load = load_json(options.scenario);
    switch (options.axis) {
        case Axis::rate:
            for (auto& phase : load["phases"])
                for (const auto* name : {"rate", "pattern", "events"}) phase[name] = nullptr;
            break;
        case Axis::clients:
            load["clients"] = nullptr;
            break;
        case Axis::services:
            load["services"] = nullptr;
            break;
        case Axis::payload:
            load["payload"] = load["payload_bytes"] = nullptr;
            break;
        case Axis::workers:  // an option of the target
            break;
    }
    return load;
}

json law_curve(const UslFit& law, const Sweep& sweep) {
    json curve = json::array();
    const double first = sweep.points.front().load;
    const double last = sweep.points.back().load;
    for (std::size_t i = 0; i < kCurvePoints; ++i) {
        const double load =
            first + (last - first) * static_cast<double>(i) / static_cast<double>(kCurvePoints - 1);
        const auto interval = law.curve_interval(load);
        curve.push_back(
            {load, number(law.law.at(load)), number(interval.low), number(interval.high)});
    }
    return curve;
}

json law_json(const TargetScaling& target) {
    if (!target.law) return {{"absent", target.why_no_law}};
    const auto& law = *target.law;
    json result{{"gamma", interval_json(law.law.gamma, law.gamma)},
                {"alpha", interval_json(law.law.alpha, law.alpha)},
                {"beta", interval_json(law.law.beta, law.beta)},
                {"peak_n", nullptr},
                {"limit", nullptr},
                {"amdahl", law.amdahl()},
                {"measurements", law.points},
                {"load_max", law.load_max},
                {"residual_runs",
                 {{"runs", law.runs.runs},
                  {"above", law.runs.above},
                  {"below", law.runs.below},
                  {"p_few", number(law.runs.p_few)}}},
                {"hold_out", nullptr},
                {"curve", law_curve(law, target.sweep)}};
    if (law.peak) result["peak_n"] = interval_json(*law.peak, law.peak_interval);
    if (law.limit) result["limit"] = interval_json(*law.limit, law.limit_interval);
    if (law.hold_out) {
        result["hold_out"] = {{"held_out", law.hold_out->held_out},
                              {"worst_error", number(law.hold_out->worst_error)},
                              {"passed", law.hold_out->passed}};
    }
    return result;
}

json figure_json(const DegradationFigure& figure) {
    json result{{"value", number(figure.value)},
                {"ci_low", nullptr},
                {"ci_high", nullptr},
                {"absent", figure.absent}};
    if (figure.interval) result.update(interval_json(*figure.value, *figure.interval));
    return result;
}

json degradation_json(const std::optional<Degradation>& found) {
    if (!found) return nullptr;
    return {{"best_load", figure_json(found->best_load)},
            {"best_throughput", number(found->best_throughput)},
            {"worst_load", found->worst_load},
            {"throughput_lost", figure_json(found->throughput_lost)},
            {"latency_from", number(found->latency_from)},
            {"latency_to", number(found->latency_to)},
            {"latency_growth", figure_json(found->latency_growth)},
            {"latency_growth_past", figure_json(found->latency_growth_past)},
            {"error_rise", figure_json(found->error_rise)},
            {"error_rise_past", figure_json(found->error_rise_past)}};
}

json forecast_json(const ScalingOptions& options, const TargetScaling& target) {
    if (!options.demand) return nullptr;
    const auto& demand = *options.demand;
    json result{{"demand",
                 {{"rate", demand.rate},
                  {"peak_factor", demand.peak_factor},
                  {"headroom", demand.headroom},
                  {"stall", demand.stall},
                  {"drain_within", demand.drain_within}}},
                {"refused", nullptr}};
    if (!target.forecast) {
        result["refused"] = target.why_no_forecast;
        return result;
    }
    const auto& forecast = *target.forecast;
    result["required"] = {{"peak_rate", number(forecast.required.peak_rate)},
                          {"for_peak", number(forecast.required.for_peak)},
                          {"for_draining", number(forecast.required.for_draining)}};
    result["measured_enough"] = number(forecast.measured_enough);
    if (!forecast.refused.empty()) {
        std::string reasons;
        for (const auto& each : forecast.refused)
            reasons += (reasons.empty() ? "" : "; ") + each.reason;
        result["refused"] = std::move(reasons);
        return result;
    }
    result["needed"] = interval_json(forecast.needed, forecast.interval);
    result["of"] = options.axis == Axis::rate ? "instances" : unit_of(options.axis);
    result["drain_seconds"] = number(forecast.drain_seconds);
    result["utilization"] = number(forecast.utilization);
    return result;
}

json laws_json(const std::vector<LawCheck>& laws) {
    json result = json::array();
    for (const auto& law : laws) {
        result.push_back({{"law", to_string(law.law)},
                          {"expected", number(law.expected)},
                          {"observed", number(law.observed)},
                          {"gap", number(law.gap)},
                          {"tolerance", law.tolerance},
                          {"bound", law.bound},
                          {"holds", law.holds}});
    }
    return result;
}

json intervention_json(const Insight& insight) {
    if (!insight.intervention) return {{"absent", insight.why_no_intervention}};
    const auto& change = *insight.intervention;
    json result{{"target", change.target}, {"change", change.change},
                {"why", change.why},       {"predicted", number(change.predicted)},
                {"measured", nullptr},     {"confirmed", change.confirmed},
                {"absent", change.absent}};
    if (change.measured)
        result["measured"] = interval_json(change.measured->estimate, change.measured->interval);
    return result;
}

json insight_json(const std::optional<Insight>& insight) {
    if (!insight) return nullptr;
    json result = bottleneck_json(insight->judgement);
    result["load"] = insight->load;
    result["under_way"] = nullptr;
    if (insight->under_way) {
        result["under_way"] = {{"mean", number(insight->under_way->mean)},
                               {"most", number(insight->under_way->most)}};
    }
    result["suggestion"] = result["intervention"];
    result["intervention"] = intervention_json(*insight);
    result["laws"] = laws_json(insight->laws);
    result["activity"] = insight->activity ? activity_json(*insight->activity) : json(nullptr);
    return result;
}

/// Of the loads at which limits were read: the nearest limit first.
json resource_limits_json(std::vector<LimitPoint> points) {
    std::ranges::stable_sort(points, {}, &LimitPoint::load);
    return limits_json(forecast_limits(points));
}

json target_json(const ScalingOptions& options, const TargetScaling& target) {
    json breaking_point = nullptr;
    if (target.limit) breaking_point = limit_json(options.axis, *target.limit);
    return {{"target", target.target},
            {"axis", to_string(options.axis)},
            {"points", points_json(target.sweep)},
            {"breaking_point", std::move(breaking_point)},
            {"scalability", law_json(target)},
            {"degradation", degradation_json(target.degradation)},
            {"slopes", slopes_json(target)},
            {"bottleneck", insight_json(target.insight)},
            {"why_no_bottleneck",
             target.why_no_insight.empty() ? json(nullptr) : json(target.why_no_insight)},
            {"limits", resource_limits_json(target.limit_uses)},
            {"forecast", forecast_json(options, target)}};
}

/// Of rounds' ln(candidate / baseline).
json ratio_of(const std::vector<double>& logs) {
    json ratio = over_rounds(logs);
    for (const auto* member : {"value", "ci_low", "ci_high"}) {
        auto& value = ratio[member];
        if (!value.is_null()) value = std::exp(value.get<double>());
    }
    return ratio;
}

/// Candidate over baseline in the rounds that have both, as a ratio.
json ratio_json(const SweepPoint& baseline, const SweepPoint& candidate, const MetricInfo& info) {
    std::vector<double> logs;
    const auto value_of = [&info](const std::vector<MetricValue>& metrics) {
        const auto found = std::ranges::find(metrics, &info, &MetricValue::info);
        return found == metrics.end() ? std::nullopt : found->value;
    };
    for (std::size_t a = 0; a < baseline.rounds.size(); ++a) {
        const auto at = std::ranges::find(candidate.rounds, baseline.rounds[a]);
        if (at == candidate.rounds.end()) continue;
        const auto before = value_of(baseline.metrics[a]);
        const auto after =
            value_of(candidate.metrics[static_cast<std::size_t>(at - candidate.rounds.begin())]);
        if (before && after && *before > 0 && *after > 0)
            logs.push_back(std::log(*after / *before));
    }
    return ratio_of(logs);
}

json over_loads_json(const Sweep& baseline, const Sweep& candidate) {
    json metrics = json::array();
    for (const auto name : kCompared) {
        const auto& info = *find_metric(name);
        const auto found = ratio_over_loads(baseline.by_round(name), candidate.by_round(name));
        metrics.push_back({{"name", name},
                           {"unit", info.unit},
                           {"better", to_string(info.better)},
                           {"loads", found.loads},
                           {"ratio", ratio_of(found.logs)}});
    }
    return metrics;
}

/// Throughput of the rounds in which both targets have it at every load.
CurveRounds rounds_of(const Sweep& sweep, const Sweep& other) {
    CurveRounds rounds;
    for (const auto& point : sweep.points) rounds.loads.push_back(point.load);
    const auto others = other.by_round("throughput");
    for (const auto& [round, values] : sweep.by_round("throughput")) {
        const auto beside = others.find(round);
        if (beside == others.end() || values.size() != rounds.loads.size() ||
            beside->second.size() != rounds.loads.size())
            continue;
        std::vector<double> throughput;
        for (const auto& [load, value] : values) throughput.push_back(value);
        rounds.rounds.push_back(std::move(throughput));
    }
    return rounds;
}

/// The curves of throughput against each other, of the same rounds, or why not.
json curves_json(const ScalingOptions& options, const TargetScaling& baseline,
                 const TargetScaling& candidate) {
    for (const auto* target : {&baseline, &candidate})
        if (!target->law) return {{"absent", target->target + ": " + target->why_no_law}};
    const auto before = rounds_of(baseline.sweep, candidate.sweep);
    if (before.rounds.size() < kComparedRoundsMin) {
        return {{"absent", fmt::format("{} of {} rounds have every load of both; at least {}",
                                       before.rounds.size(), options.rounds, kComparedRoundsMin)}};
    }
    const auto compared = compare_curves(before, rounds_of(candidate.sweep, baseline.sweep));
    if (!compared) return {{"absent", compared.error().message}};
    return curve_comparison_json(*compared, before.rounds.size());
}

json comparison_json(const ScalingOptions& options, const TargetScaling& baseline,
                     const TargetScaling& candidate) {
    json points = json::array();
    for (std::size_t i = 0; i < baseline.sweep.points.size(); ++i) {
        json metrics = json::array();
        for (const auto name : kCompared) {
            const auto& info = *find_metric(name);
            metrics.push_back(
                {{"name", name},
                 {"unit", info.unit},
                 {"better", to_string(info.better)},
                 {"ratio", ratio_json(baseline.sweep.points[i], candidate.sweep.points[i], info)}});
        }
        points.push_back(
            {{"load", baseline.sweep.points[i].load}, {"metrics", std::move(metrics)}});
    }
    return {{"baseline", baseline.target},
            {"candidate", candidate.target},
            {"curves", curves_json(options, baseline, candidate)},
            {"over_loads", over_loads_json(baseline.sweep, candidate.sweep)},
            {"points", std::move(points)}};
}

}  // namespace

json curve_comparison_json(const CurveComparison& compared, std::size_t rounds) {
    // Every law has a gamma: without one there is no law, and not one of two that lacks a figure.
    if (!compared.gamma_ratio) {
        return {{"absent",
                 "no law could be fitted to the rounds of both, or not without each of them"}};
    }
    const auto estimate = [](const std::optional<stats::LocationEstimate>& value) {
        return value ? interval_json(value->estimate, value->interval) : json(nullptr);
    };
    return {{"rounds", rounds},
            {"gamma_ratio", estimate(compared.gamma_ratio)},
            {"alpha_difference", estimate(compared.alpha_difference)},
            {"beta_difference", estimate(compared.beta_difference)},
            {"limit_ratio", estimate(compared.limit_ratio)},
            {"peak_ratio", estimate(compared.peak_ratio)}};
}

json scaling_json(const RunFacts& facts, const ScalingOptions& options, const Scaling& scaling) {
    json result = header_json("crucible.scaling/1", facts);
    result["interrupted"] = scaling.interrupted;
    result["out_of_time"] = scaling.out_of_time;
    result["failure"] = failure_json(scaling.failure);
    result["axis"] = to_string(options.axis);
    result["unit"] = unit_of(options.axis);
    result["scenario"] = {{"name", options.scenario.name},
                          {"description", options.scenario.description},
                          {"load", axis_load_json(options)}};
    result["slo"] = slo_json(options.slo);
    result["rounds"] = options.rounds;
    result["targets"] = json::array();
    for (const auto& target : scaling.targets)
        result["targets"].push_back(target_json(options, target));
    result["comparisons"] = json::array();
    for (std::size_t i = 1; i < scaling.targets.size(); ++i) {
        result["comparisons"].push_back(
            comparison_json(options, scaling.targets.front(), scaling.targets[i]));
    }
    return result;
}

}  // namespace crucible::lab::scale
