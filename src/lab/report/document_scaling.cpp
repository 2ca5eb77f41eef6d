#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/units.h"
#include "lab/report/document_parts.h"

namespace crucible::lab::report {
namespace {

using nlohmann::json;

ScalingPoint read_point(const json& object) {
    return {.load = object.at("load"),
            .rounds = object.at("rounds"),
            .held = object.at("held"),
            .broken = object.at("broken"),
            .details = texts(object.at("details")),
            .invalid = texts(object.at("invalid")),
            .metrics = list_of<MemoryMetric>(object.at("metrics"), read_memory_metric)};
}

/// The first soaks that broke: any further one is what soak_passed tells of.
std::vector<BreakingPointRow::FailedSoak> read_reopened_by(const json& object) {
    std::vector<BreakingPointRow::FailedSoak> soaks;
    for (const auto& trial : object.at("course")) {
        if (trial.at("stage") != "soak" || trial.at("valid") != true ||
            trial.at("broken").is_null() || soaks.size() >= object.at("reopened"))
            continue;
        soaks.push_back(
            {.load = trial.at("load"), .seconds = optional_number(trial, "seconds").value_or(0)});
    }
    return soaks;
}

std::optional<BreakingPointRow> read_breaking_point(const json& object) {
    if (object.is_null()) return std::nullopt;
    BreakingPointRow row{
        .lower = optional_number(object, "lower"),
        .upper = optional_number(object, "upper"),
        .estimate = read_estimate(object),
        .ending = text_at(object, "ending"),
        .slo_broken = optional_text(object, "slo_broken"),
        .detail = text_at(object, "detail"),
        .conditional_throughput = optional_number(object, "conditional_throughput"),
        .trials = object.at("trials"),
        .invalid_trials = object.at("invalid_trials"),
        .invalid = text_at(object, "invalid"),
        .soak_passed = {},
        .soak_load = optional_number(object, "soak_load"),
        .soak_absent = text_at(object, "soak_absent"),
        .reopened_by = read_reopened_by(object),
        .hysteresis = {},
        .hysteresis_absent = text_at(object, "hysteresis_absent"),
        .recovers_at = {},
        .broken_down_to = {},
        .recovery_seconds = {},
        .recovery_allowed_seconds = {},
        .death = {},
        .died_at = {}};
    if (const auto& soak = object.at("soak_passed"); !soak.is_null())
        row.soak_passed = soak.get<bool>();
    if (const auto& hysteresis = object.at("hysteresis"); !hysteresis.is_null()) {
        row.hysteresis = hysteresis.at("present").get<bool>();
        row.recovers_at = optional_number(hysteresis, "recovers_at");
        row.broken_down_to = optional_number(hysteresis, "broken_down_to");
        row.recovery_seconds = optional_number(hysteresis, "recovery_seconds");
        row.recovery_allowed_seconds = optional_number(hysteresis, "recovery_allowed_seconds");
    }
    if (const auto& died = object.at("died"); !died.is_null()) {
        row.death = text_at(died, "message");
        row.died_at = optional_number(died, "load");
    }
    return row;
}

LawRow::At read_law_at(const json& row) {
    Estimate throughput;
    const auto end = [&row](std::size_t i) {
        return row.at(i).is_null() ? std::nullopt : std::optional(row.at(i).get<double>());
    };
    throughput.value = end(1);
    throughput.low = end(2);
    throughput.high = end(3);
    return {.load = row.at(0).get<double>(), .throughput = throughput};
}

LawRow read_law(const json& object) {
    LawRow row;
    row.absent = optional_text(object, "absent");
    if (!row.absent.empty()) return row;
    row.gamma = read_estimate(object.at("gamma"));
    row.alpha = read_estimate(object.at("alpha"));
    row.beta = read_estimate(object.at("beta"));
    row.peak = optional_estimate(object, "peak_n");
    row.limit = optional_estimate(object, "limit");
    row.amdahl = object.at("amdahl");
    row.measurements = object.at("measurements");
    row.p_few_runs = object.at("residual_runs").at("p_few");
    if (const auto& hold_out = object.at("hold_out"); !hold_out.is_null()) {
        row.held_out = true;
        row.hold_out_error = optional_number(hold_out, "worst_error");
        row.hold_out_passed = hold_out.at("passed");
    }
    row.curve = list_of<LawRow::At>(object.at("curve"), read_law_at);
    return row;
}

std::optional<DegradationRow> read_degradation(const json& object) {
    if (object.is_null()) return std::nullopt;
    const auto figure = [&object](const char* name) {
        return DegradationRow::Figure{.estimate = read_estimate(object.at(name)),
                                      .absent = text_at(object.at(name), "absent")};
    };
    return DegradationRow{.best_load = figure("best_load"),
                          .best_throughput = object.at("best_throughput"),
                          .worst_load = object.at("worst_load"),
                          .throughput_lost = figure("throughput_lost"),
                          .latency_from = optional_number(object, "latency_from"),
                          .latency_to = optional_number(object, "latency_to"),
                          .latency_growth = figure("latency_growth"),
                          .latency_growth_past = figure("latency_growth_past"),
                          .error_rise = figure("error_rise"),
                          .error_rise_past = figure("error_rise_past")};
}

std::optional<ForecastRow> read_forecast(const json& object) {
    if (object.is_null()) return std::nullopt;
    const auto& demand = object.at("demand");
    ForecastRow row{.rate = demand.at("rate"),
                    .peak_factor = demand.at("peak_factor"),
                    .headroom = demand.at("headroom"),
                    .refused = optional_text(object, "refused"),
                    .of = optional_text(object, "of"),
                    .stall = demand.at("stall"),
                    .drain_within = demand.at("drain_within"),
                    .required = {},
                    .needed = optional_estimate(object, "needed"),
                    .measured_enough = optional_number(object, "measured_enough"),
                    .utilization = optional_number(object, "utilization"),
                    .drain_seconds = optional_number(object, "drain_seconds")};
    if (object.contains("required"))
        row.required = std::max(object["required"].at("for_peak").get<double>(),
                                object["required"].at("for_draining").get<double>());
    return row;
}

std::string read_figure(const json& object) {
    const auto unit = text_at(object, "unit");
    const auto amount = [&unit](double value) {
        if (unit == "1") return fmt::format("{:.3g} %", 100 * value);
        if (unit == "s") return base::format_duration(value);
        return fmt::format("{:.3g} {}", value, unit);
    };
    const auto observed = optional_number(object, "observed");
    return fmt::format("{} {} ({} {})", text_at(object, "what"),
                       observed ? amount(*observed) : std::string("not measured"),
                       object.at("direction") == "at_least" ? "at least" : "below",
                       amount(object.at("threshold").get<double>()));
}

OtherVerdict read_other_verdict(const json& object) {
    return {.verdict = text_at(object, "verdict"),
            .holds = object.at("holds"),
            .why = text_at(object, "why")};
}

std::string read_law_check(const json& object) {
    const bool bound = object.at("bound");
    return fmt::format("{} law: {:.4g} expected{}, {:.4g} observed: {}{}", text_at(object, "law"),
                       optional_number(object, "expected").value_or(0),
                       bound ? " at most or least" : "",
                       optional_number(object, "observed").value_or(0),
                       object.at("holds") == true ? "holds" : "does not hold",
                       fmt::format(" to {:.3g} %", 100 * object.at("tolerance").get<double>()));
}

std::optional<BottleneckRow> read_bottleneck(const json& object) {
    if (object.is_null()) return std::nullopt;
    BottleneckRow row{.load = object.at("load"),
                      .verdict = text_at(object, "verdict"),
                      .confidence = text_at(object, "confidence"),
                      .why_confidence = text_at(object, "why_confidence"),
                      .reason = text_at(object, "reason"),
                      .evidence = list_of<std::string>(object.at("evidence"), read_figure),
                      .others = list_of<OtherVerdict>(object.at("excluded"), read_other_verdict),
                      .laws = list_of<std::string>(object.at("laws"), read_law_check)};
    if (const auto& under_way = object.at("under_way"); !under_way.is_null()) {
        row.under_way = optional_number(under_way, "mean");
        row.under_way_most = optional_number(under_way, "most");
    }
    if (const auto& activity = object.at("activity"); !activity.is_null()) {
        row.samples = optional_number(activity, "samples");
        row.core_share = optional_number(activity.at("cost"), "core_share");
    }
    const auto& change = object.at("intervention");
    row.no_change = text_at(change, "absent");
    if (!change.contains("change")) return row;
    row.change = text_at(change, "change");
    row.why_change = text_at(change, "why");
    row.predicted = optional_number(change, "predicted");
    row.measured = optional_estimate(change, "measured");
    row.confirmed = change.at("confirmed");
    return row;
}

ResourceLimitRow read_resource_limit(const json& object) {
    return {.name = text_at(object, "name"),
            .kind = text_at(object, "kind"),
            .unit = text_at(object, "unit"),
            .used = optional_number(object, "used"),
            .limit = optional_number(object, "limit"),
            .share = optional_number(object, "share"),
            .binds_at = {.value = optional_number(object, "binds_at"),
                         .low = optional_number(object, "ci_low"),
                         .high = optional_number(object, "ci_high")},
            .refused = optional_text(object, "refused")};
}

MemoryMetric read_slope(const json& object) {
    return {.name = text_at(object, "name"),
            .unit = text_at(object, "unit"),
            .estimate = read_estimate(object),
            .absent = {}};
}

ScalingTarget read_scaling_target(const json& object) {
    return {.target = text_at(object, "target"),
            .bottleneck = read_bottleneck(object.at("bottleneck")),
            .why_no_bottleneck = optional_text(object, "why_no_bottleneck"),
            .limits = list_of<ResourceLimitRow>(object.at("limits"), read_resource_limit),
            .points = list_of<ScalingPoint>(object.at("points"), read_point),
            .breaking_point = read_breaking_point(object.at("breaking_point")),
            .law = read_law(object.at("scalability")),
            .degradation = read_degradation(object.at("degradation")),
            .slopes = list_of<MemoryMetric>(object.at("slopes"), read_slope),
            .forecast = read_forecast(object.at("forecast"))};
}

ScalingRatio read_ratio(const json& object) {
    return {.metric = text_at(object, "name"),
            .higher_is_better = object.at("better") == "higher",
            .ratio = read_estimate(object.at("ratio"))};
}

ComparedPoint read_compared_point(const json& object) {
    return {.load = object.at("load"),
            .ratios = list_of<ScalingRatio>(object.at("metrics"), read_ratio)};
}

RatioOverLoads read_ratio_over_loads(const json& object) {
    return {.loads = object.at("loads"), .of = read_ratio(object)};
}

ScalingComparison read_scaling_comparison(const json& object) {
    ScalingComparison comparison{
        .baseline = text_at(object, "baseline"),
        .candidate = text_at(object, "candidate"),
        .points = list_of<ComparedPoint>(object.at("points"), read_compared_point),
        .over_loads = list_of<RatioOverLoads>(object.at("over_loads"), read_ratio_over_loads)};
    const auto& curves = object.at("curves");
    comparison.why_no_curves = optional_text(curves, "absent");
    if (comparison.why_no_curves.empty()) {
        comparison.gamma_ratio = optional_estimate(curves, "gamma_ratio");
        comparison.alpha_difference = optional_estimate(curves, "alpha_difference");
        comparison.beta_difference = optional_estimate(curves, "beta_difference");
        comparison.limit_ratio = optional_estimate(curves, "limit_ratio");
        comparison.peak_ratio = optional_estimate(curves, "peak_ratio");
    }
    return comparison;
}

}  // namespace

ScalingDocument read_scaling(const json& object) {
    const auto& scenario = object.at("scenario");
    ScalingDocument document{
        .header = read_header(object),
        .out_of_time = object.at("out_of_time"),
        .axis = text_at(object, "axis"),
        .unit = text_at(object, "unit"),
        .scenario = text_at(scenario, "name"),
        .description = text_at(scenario, "description"),
        .load = read_load(scenario.at("load")),
        .slo = {},
        .targets = list_of<ScalingTarget>(object.at("targets"), read_scaling_target),
        .comparisons =
            list_of<ScalingComparison>(object.at("comparisons"), read_scaling_comparison)};
    if (const auto& slo = object.at("slo"); !slo.is_null()) document.slo = text_at(slo, "text");
    std::erase_if(document.comparisons,
                  [](const ScalingComparison& each) { return each.points.empty(); });
    return document;
}

}  // namespace crucible::lab::report
