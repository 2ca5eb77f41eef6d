#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "lab/compare/json_parts.h"
#include "lab/compare/observation.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

constexpr std::string_view kUnpairedInterval =
    "two-sample Hodges-Lehmann estimate of the log ratio (or the difference) of unpaired values; "
    "interval: the order statistics that invert the rank-sum test";

json method_json(const CompareOptions& options, const StoredResult& baseline) {
    const auto alpha = (1 - options.confidence) * 100;
    const auto decision =
        baseline.kind == StoredKind::crucible_run
            ? fmt::format(
                  "looks better or worse: interval and rank-sum test beyond the margin, "
                  "corrected among the gated metrics of all scenarios (Holm, {0:g} %) and "
                  "among the others (Benjamini-Hochberg, {0:g} %); not interleaved, so that "
                  "nothing is proven",
                  alpha)
            : fmt::format(
                  "looks better or worse: interval and rank-sum test beyond the margin, "
                  "corrected among all metrics as one family (Holm, {:g} %), because none "
                  "was declared to decide; not interleaved, so that nothing is proven",
                  alpha);
    return {{"margin", options.margin},
            {"confidence", options.confidence},
            {"interval", kUnpairedInterval},
            {"decision", decision}};
}

json text_or_null(const std::string& text) {
    return text.empty() ? json(nullptr) : json(text);
}

json input_json(const StoredResult& result) {
    json files = json::array();
    for (const auto& file : result.files) {
        json machine = json::array();
        for (const auto& [name, value] : file.machine)
            machine.push_back({{"name", name}, {"value", value}});
        files.push_back({{"path", file.path},
                         {"version", text_or_null(file.version)},
                         {"target", text_or_null(file.target)},
                         {"measured", text_or_null(file.measured)},
                         {"machine", std::move(machine)}});
    }
    return {{"kind", to_string(result.kind)}, {"files", std::move(files)}};
}

json arm_json(const std::optional<Estimate>& estimate, std::size_t n) {
    auto result = estimate_json(estimate);
    if (estimate) result["n"] = n;
    return result;
}

json metric_json(const ObservedMetric& metric) {
    json unpaired = {
        {"values", {{"baseline", metric.baseline_values}, {"candidate", metric.candidate_values}}},
        {"cliffs_delta", estimate_json(metric.cliffs_delta)},
        {"p_rank_sum", number(metric.p_rank_sum)},
        {"p_welch", number(metric.p_welch)},
        {"repetitions_needed",
         metric.repetitions_needed ? json(*metric.repetitions_needed) : json(nullptr)}};
    return {{"name", metric.name},
            {"unit", metric.unit},
            {"better", to_string(metric.better)},
            {"gated", metric.gated},
            {"phase", text_or_null(metric.phase)},
            {"rounds", 0},
            {"baseline", arm_json(metric.baseline, metric.baseline_values.size())},
            {"candidate", arm_json(metric.candidate, metric.candidate_values.size())},
            {"ratio", estimate_json(metric.ratio)},
            {"difference", estimate_json(metric.difference)},
            {"control", nullptr},
            {"anytime", nullptr},
            {"p_outside", metric.p_outside},
            {"p_different", metric.p_different},
            {"different", metric.different},
            {"verdict", to_string(metric.verdict)},
            {"rounds_needed", nullptr},
            {"reason", metric.reason},
            {"unpaired", std::move(unpaired)}};
}

json delivery_or_null(const std::optional<Delivery>& delivery) {
    return delivery ? delivery_json(*delivery) : json(nullptr);
}

json scenario_json(const ObservedScenario& scenario, bool own) {
    json metrics = json::array();
    for (const auto& metric : scenario.metrics) metrics.push_back(metric_json(metric));
    const json none = {{"baseline", json::array()}, {"candidate", json::array()}};
    return {{"name", scenario.name},
            {"description", scenario.description},
            {"rounds", 0},
            {"rounds_invalid", 0},
            {"repetitions",
             {{"baseline", scenario.baseline_repetitions},
              {"candidate", scenario.candidate_repetitions}}},
            {"load", own ? json::parse(scenario.load) : json(nullptr)},
            {"checks", json::array()},
            {"delivery",
             {{"baseline", delivery_or_null(scenario.baseline_delivery)},
              {"candidate", delivery_or_null(scenario.candidate_delivery)}}},
            {"metrics", std::move(metrics)},
            {"expectations", json::array()},
            {"segments", none},
            {"series", none},
            {"harness", json::array()},
            {"round_details", json::array()},
            {"curves", {{"latency", none}}},
            {"histograms", {{"latency", {{"baseline", nullptr}, {"candidate", nullptr}}}}}};
}

}  // namespace

json observation_json(const RunFacts& facts, const CompareOptions& options,
                      const StoredResult& baseline, const StoredResult& candidate,
                      const Observation& observation) {
    json result = facts_json("crucible.comparison/1", facts);
    // Where they were measured is in "inputs"; where they were compared says nothing.
    result["environment"] = nullptr;
    result["duration_seconds"] = nullptr;
    result["observational"] = true;
    result["inputs"] = {{"baseline", input_json(baseline)}, {"candidate", input_json(candidate)}};
    result["interrupted"] = false;
    result["failure"] = nullptr;
    result["baseline"] = baseline.path;
    result["candidate"] = candidate.path;
    result["method"] = method_json(options, baseline);
    result["verdict"] = to_string(OverallVerdict::not_proven);
    result["voided"] = false;
    result["reasons"] = observation.reasons;
    result["cautions"] = json::array();
    result["checks"] = checks_json(observation.checks);
    result["criteria"] = json::array();
    result["recommendations"] = json::array();
    result["risks"] = json::array();
    result["scenarios"] = json::array();
    for (const auto& scenario : observation.scenarios) {
        result["scenarios"].push_back(
            scenario_json(scenario, baseline.kind == StoredKind::crucible_run));
    }
    return result;
}

}  // namespace crucible::lab
