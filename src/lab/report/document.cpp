#include "lab/report/document.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/text.h"
#include "lab/report/document_parts.h"

namespace crucible::lab::report {
namespace {

using nlohmann::json;

HarnessCost read_harness(const json& object) {
    return {.name = text_at(object, "name"),
            .unit = text_at(object, "unit"),
            .value = object.at("value")};
}

/// Points that a logarithmic chart can show.
Curve read_curve(const json& array) {
    Curve curve;
    for (const auto& point : array) {
        const double quantile = point.at(0);
        const double seconds = point.at(1);
        if (quantile >= 0 && quantile < 1 && seconds > 0) curve.emplace_back(quantile, seconds);
    }
    return curve;
}

Round read_round(const json& object) {
    Round round{.number = object.at("round"),
                .order = texts(object.at("order")),
                .valid = object.at("valid"),
                .notes = texts(object.at("notes")),
                .values = {}};
    for (const auto& [arm, metrics] : object.at("values").items())
        round.values[arm] = metrics.get<std::map<std::string, double>>();
    return round;
}

Series read_series(const json& object) {
    std::vector<double> values;
    for (const auto& value : object.at("values"))
        values.push_back(value.is_null() ? std::nan("") : value.get<double>());
    return {.name = text_at(object, "name"),
            .phase = text_at(object, "phase"),
            .unit = text_at(object, "unit"),
            .interval = object.at("interval"),
            .values = std::move(values)};
}

SegmentRow read_segment(const json& object) {
    return {.phase = text_at(object, "phase"),
            .name = text_at(object, "name"),
            .start = object.at("start"),
            .duration = object.at("duration"),
            .planned = object.at("planned"),
            .sent = object.at("sent"),
            .handled = object.at("handled"),
            .latency_p50 = optional_number(object, "latency_p50"),
            .latency_p99 = optional_number(object, "latency_p99"),
            .latency_max = optional_number(object, "latency_max")};
}

ExpectationRow read_expectation(const json& object) {
    return {.metric = text_at(object, "metric"),
            .low = object.at("low"),
            .high = object.at("high"),
            .outcome = text_at(object, "outcome"),
            .evidence = text_at(object, "evidence")};
}

ComparedScenario read_compared_scenario(const json& object) {
    const auto& curves = object.at("curves").at("latency");
    const auto& segments = object.at("segments");
    const auto& series = object.at("series");
    return {.name = text_at(object, "name"),
            .description = text_at(object, "description"),
            .rounds = object.at("rounds"),
            .rounds_invalid = object.at("rounds_invalid"),
            .load = read_load(object.at("load")),
            .checks = list_of<Check>(object.at("checks"), read_check),
            .baseline_delivery = read_delivery(object.at("delivery").at("baseline")),
            .candidate_delivery = read_delivery(object.at("delivery").at("candidate")),
            .metrics = list_of<ComparedMetric>(object.at("metrics"), read_compared_metric),
            .expectations = list_of<ExpectationRow>(object.at("expectations"), read_expectation),
            .harness = list_of<HarnessCost>(object.at("harness"), read_harness),
            .round_details = list_of<Round>(object.at("round_details"), read_round),
            .baseline_segments = list_of<SegmentRow>(segments.at("baseline"), read_segment),
            .candidate_segments = list_of<SegmentRow>(segments.at("candidate"), read_segment),
            .baseline_series = list_of<Series>(series.at("baseline"), read_series),
            .candidate_series = list_of<Series>(series.at("candidate"), read_series),
            .baseline_latency = read_curve(curves.at("baseline")),
            .candidate_latency = read_curve(curves.at("candidate"))};
}

CriterionRow read_criterion(const json& object) {
    return {.name = text_at(object, "name"),
            .outcome = text_at(object, "outcome"),
            .evidence = text_at(object, "evidence")};
}

RiskRow read_risk(const json& object) {
    return {.scenario = text_at(object, "scenario"),
            .metric = text_at(object, "metric"),
            .likelihood = text_at(object, "likelihood"),
            .impact = text_at(object, "impact"),
            .evidence = text_at(object, "evidence"),
            .mitigation = text_at(object, "mitigation"),
            .rollback = text_at(object, "rollback")};
}

std::string read_recommendation(const json& object) {
    return text_at(object, "text");
}

ComparisonDocument read_comparison(const json& object) {
    return {
        .header = read_header(object),
        .baseline = text_at(object, "baseline"),
        .candidate = text_at(object, "candidate"),
        .method = read_method(object.at("method")),
        .verdict = text_at(object, "verdict"),
        .voided = object.at("voided"),
        .reasons = texts(object.at("reasons")),
        .cautions = texts(object.at("cautions")),
        .criteria = list_of<CriterionRow>(object.at("criteria"), read_criterion),
        .recommendations = list_of<std::string>(object.at("recommendations"), read_recommendation),
        .risks = list_of<RiskRow>(object.at("risks"), read_risk),
        .scenarios = list_of<ComparedScenario>(object.at("scenarios"), read_compared_scenario)};
}

RunMetric read_run_metric(const json& object) {
    return {.name = text_at(object, "name"),
            .unit = text_at(object, "unit"),
            .higher_is_better = object.at("better") == "higher",
            .phase = optional_text(object, "phase"),
            .estimate = read_estimate(object),
            .n = object.at("n"),
            .interval = text_at(object, "interval"),
            .absent = optional_text(object, "absent")};
}

RunScenario read_run_scenario(const json& object) {
    return {.name = text_at(object, "name"),
            .description = text_at(object, "description"),
            .load = read_load(object.at("load")),
            .trials = object.at("trials"),
            .metrics = list_of<RunMetric>(object.at("metrics"), read_run_metric),
            .delivery = read_delivery(object.at("delivery")),
            .checks = list_of<Check>(object.at("checks"), read_check),
            .segments = list_of<SegmentRow>(object.at("segments"), read_segment),
            .series = list_of<Series>(object.at("series"), read_series),
            .harness = list_of<HarnessCost>(object.at("harness"), read_harness),
            .latency = read_curve(object.at("curves").at("latency").at("target"))};
}

RunDocument read_run(const json& object) {
    return {.header = read_header(object),
            .target = text_at(object, "target"),
            .scenarios = list_of<RunScenario>(object.at("scenarios"), read_run_scenario)};
}

/// "crucible.run/1" -> "crucible.run" and 1.
Result<std::string> checked_kind(const json& result) {
    if (!result.is_object() || !result.contains("schema") || !result["schema"].is_string())
        return std::unexpected(
            Error{Errc::corrupt, "not a result of crucible: no member 'schema'"});
    const auto schema = base::printable(result["schema"].get<std::string>());
    const auto slash = schema.find('/');
    const auto kind = schema.substr(0, slash);
    if (slash == std::string::npos || (kind != "crucible.comparison" && kind != "crucible.run" &&
                                       kind != "crucible.memory" && kind != "crucible.scaling")) {
        return std::unexpected(
            Error{Errc::unsupported, fmt::format("schema '{}' has no report", schema)});
    }
    unsigned version = 0;
    const auto* end = schema.data() + schema.size();
    const auto [rest, status] = std::from_chars(schema.data() + slash + 1, end, version);
    if (status != std::errc() || rest != end || version == 0)
        return std::unexpected(Error{Errc::corrupt, fmt::format("schema '{}'", schema)});
    if (version > 1) {
        return std::unexpected(Error{
            Errc::unsupported,
            fmt::format("schema '{}': written by a newer crucible; upgrade to read it", schema)});
    }
    return kind;
}

}  // namespace

Result<Document> read_document(const json& result) {
    const auto kind = checked_kind(result);
    if (!kind) return std::unexpected(kind.error());
    try {
        if (*kind == "crucible.run") return read_run(result);
        if (*kind == "crucible.memory") return read_memory(result);
        if (*kind == "crucible.scaling") return read_scaling(result);
        if (result.at("observational").get<bool>()) return read_observation(result);
        return read_comparison(result);
    } catch (const json::exception& error) {
        return std::unexpected(
            Error{Errc::corrupt, fmt::format("not a whole result: {}", error.what())});
    }
}

}  // namespace crucible::lab::report
