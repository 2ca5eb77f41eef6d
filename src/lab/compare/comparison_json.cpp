#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/assert.h"
#include "lab/compare/course_json.h"
#include "lab/compare/evidence.h"
#include "lab/compare/json_parts.h"
#include "lab/compare/metric_series.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

json expectations_json(const std::vector<ExpectationResult>& expectations) {
    json result = json::array();
    for (const auto& [expectation, outcome, evidence] : expectations) {
        result.push_back({{"metric", expectation.metric->name},
                          {"low", expectation.low},
                          {"high", expectation.high},
                          {"outcome", to_string(outcome)},
                          {"evidence", evidence}});
    }
    return result;
}

/// Why a round is not valid, one line per cause.
json notes_json(const Round& round) {
    json notes = json::array();
    for (const Arm arm : round.order) {
        const auto& result = round[arm];
        if (result.target.empty()) {
            notes.push_back(fmt::format("{}: not run", to_string(arm)));
            continue;
        }
        if (result.failure) {
            notes.push_back(fmt::format("{}: {}", to_string(arm), result.failure->message));
        }
        for (const auto& check : result.checks) {
            if (check.passed) continue;
            notes.push_back(
                fmt::format("{}: {} failed: {}", to_string(arm), check.name, check.detail));
        }
        if (arm != Arm::harness && round[Arm::harness].target.empty()) {
            notes.push_back(fmt::format("{}: resources include the harness's own", to_string(arm)));
        }
    }
    return notes;
}

json surroundings_json(const Surroundings& around) {
    return {{"wall", seconds(around.wall)},
            {"other_cores", number(around.other_cores)},
            {"stolen_cores", number(around.stolen_cores)},
            {"pressure", number(around.pressure)},
            {"frequency_hz", number(around.frequency_hz)},
            {"clock_step", seconds(around.clock_step)}};
}

json round_json(const Round& round) {
    json order = json::array();
    json values = json::object();
    json surroundings = json::object();
    for (const Arm arm : round.order) order.push_back(to_string(arm));
    for (const Arm arm : {Arm::baseline, Arm::control, Arm::candidate, Arm::harness}) {
        values[std::string(to_string(arm))] = values_json(round[arm].metrics);
        surroundings[std::string(to_string(arm))] = surroundings_json(round[arm].surroundings);
    }
    return {{"round", round.index + 1},    {"order", std::move(order)},
            {"valid", round.valid()},      {"notes", notes_json(round)},
            {"values", std::move(values)}, {"surroundings", std::move(surroundings)}};
}

Delivery pooled_delivery(const std::vector<Round>& rounds, Arm arm) {
    Delivery total;
    for (const auto& round : rounds) total += total_delivery(round[arm]);
    return total;
}

/// Latencies of an arm over all valid rounds in which they mean something.
Histogram pooled_latency(const std::vector<Round>& rounds, Arm arm) {
    Histogram pooled;
    for (const auto& round : rounds) {
        const auto* phase = latency_phase(round[arm].phases);
        if (round.valid() && phase && !phase->saturated) pooled.merge(phase->latency);
    }
    return pooled;
}

/// An arm's phases in each round that is compared.
std::vector<const std::vector<PhaseResult>*> compared_phases(const std::vector<Round>& rounds,
                                                             Arm arm) {
    std::vector<const std::vector<PhaseResult>*> phases;
    for (const auto& round : rounds)
        if (round.valid()) phases.push_back(&round[arm].phases);
    return phases;
}

json scenario_json(const ScenarioRounds& scenario, const ScenarioComparison& comparison) {
    json metrics = json::array();
    for (const auto& metric : comparison.metrics) metrics.push_back(compared_metric_json(metric));
    json details = json::array();
    std::vector<const std::vector<MetricValue>*> harness;
    for (const auto& round : scenario.rounds) {
        details.push_back(round_json(round));
        if (round.valid()) harness.push_back(&round[Arm::harness].metrics);
    }
    json curves = json::object();
    json histograms = json::object();
    json segments = json::object();
    json series = json::object();
    for (const Arm arm : {Arm::baseline, Arm::candidate}) {
        const auto latency = pooled_latency(scenario.rounds, arm);
        curves[std::string(to_string(arm))] = curve_json(latency);
        histograms[std::string(to_string(arm))] = latency.encode();
        const auto trials = compared_phases(scenario.rounds, arm);
        segments[std::string(to_string(arm))] = segments_json(trials);
        // One round's course, not a mean of several.
        series[std::string(to_string(arm))] =
            trials.empty() ? json::array() : series_json(*trials.front());
    }
    return {{"name", comparison.name},
            {"description", scenario.scenario.description},
            {"rounds", comparison.rounds},
            {"rounds_invalid", comparison.rounds_invalid},
            {"repetitions", nullptr},
            {"load", load_json(scenario.scenario)},
            {"checks", checks_json(comparison.checks)},
            {"delivery",
             {{"baseline", delivery_json(pooled_delivery(scenario.rounds, Arm::baseline))},
              {"candidate", delivery_json(pooled_delivery(scenario.rounds, Arm::candidate))}}},
            {"metrics", std::move(metrics)},
            {"expectations", expectations_json(comparison.expectations)},
            {"segments", std::move(segments)},
            {"series", std::move(series)},
            {"harness", harness_json(harness)},
            {"round_details", std::move(details)},
            {"curves", {{"latency", std::move(curves)}}},
            {"histograms", {{"latency", std::move(histograms)}}}};
}

json criteria_json(const std::vector<Criterion>& criteria) {
    json result = json::array();
    for (const auto& [name, outcome, evidence] : criteria) {
        result.push_back({{"name", name}, {"outcome", to_string(outcome)}, {"evidence", evidence}});
    }
    return result;
}

json recommendations_json(const std::vector<Recommendation>& recommendations) {
    json result = json::array();
    for (const auto& [text, scenario, metric] : recommendations) {
        result.push_back({{"text", text}, {"scenario", scenario}, {"metric", metric->name}});
    }
    return result;
}

json risks_json(const std::vector<Risk>& risks) {
    json result = json::array();
    for (const auto& risk : risks) {
        result.push_back({{"scenario", risk.scenario},
                          {"metric", risk.metric->name},
                          {"likelihood", to_string(risk.likelihood)},
                          {"impact", to_string(risk.impact)},
                          {"evidence", risk.evidence},
                          {"mitigation", risk.mitigation},
                          {"rollback", risk.rollback}});
    }
    return result;
}

}  // namespace

json comparison_json(const RunFacts& facts, const ExperimentOptions& options,
                     const CompareOptions& compare_options, const Experiment& experiment,
                     const Comparison& comparison) {
    CRUCIBLE_ASSERT(experiment.scenarios.size() == comparison.scenarios.size());
    json result = header_json("crucible.comparison/1", facts);
    result["observational"] = false;
    result["inputs"] = nullptr;
    result["interrupted"] = experiment.interrupted;
    result["failure"] = failure_json(experiment.failure);
    result["baseline"] = options.baseline.text;
    result["candidate"] = options.candidate.text;
    result["method"] = method_json(compare_options);
    result["verdict"] = to_string(comparison.verdict);
    result["voided"] = comparison.voided;
    result["reasons"] = comparison.reasons;
    result["cautions"] = comparison.cautions;
    result["checks"] = json::array();
    result["criteria"] = criteria_json(comparison.assessment.criteria);
    result["recommendations"] = recommendations_json(comparison.assessment.recommendations);
    result["risks"] = risks_json(comparison.assessment.risks);
    result["scenarios"] = json::array();
    for (std::size_t i = 0; i < experiment.scenarios.size(); ++i) {
        result["scenarios"].push_back(
            scenario_json(experiment.scenarios[i], comparison.scenarios[i]));
    }
    return result;
}

}  // namespace crucible::lab
