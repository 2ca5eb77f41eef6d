#include "lab/compare/observation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "lab/compare/observation_reasons.h"
#include "lab/compare/observed_metric.h"

namespace crucible::lab {
namespace {

std::unexpected<Error> invalid(std::string message) {
    return std::unexpected(Error{Errc::invalid_argument, std::move(message)});
}

/// A metric that one side does not have at all.
StoredMetric none_of(const StoredMetric& metric) {
    return {.name = metric.name,
            .unit = metric.unit,
            .better = metric.better,
            .gated = metric.gated,
            .missing_reason = "not in its files"};
}

const StoredMetric* find(const StoredScenario& scenario, const std::string& name) {
    const auto found = std::ranges::find(scenario.metrics, name, &StoredMetric::name);
    return found == scenario.metrics.end() ? nullptr : &*found;
}

double events_per_repetition(const StoredScenario& scenario) {
    if (!scenario.delivery || scenario.repetitions == 0) return 0;
    return static_cast<double>(scenario.delivery->sent) / scenario.repetitions;
}

std::vector<WeighedObservation> weigh_scenario(const StoredScenario& baseline,
                                               const StoredScenario& candidate,
                                               const CompareOptions& options) {
    std::vector<WeighedObservation> metrics;
    const double events = events_per_repetition(baseline);
    for (const auto& metric : baseline.metrics) {
        const auto* other = find(candidate, metric.name);
        metrics.push_back(
            weigh_observation(metric, other ? *other : none_of(metric), events, options));
    }
    for (const auto& metric : candidate.metrics) {
        if (!find(baseline, metric.name))
            metrics.push_back(weigh_observation(none_of(metric), metric, events, options));
    }
    return metrics;
}

/// Values stay, what they would say of each other goes.
ObservedMetric withheld_metric(const ObservedMetric& metric, const std::string& reason) {
    return {.name = metric.name,
            .unit = metric.unit,
            .better = metric.better,
            .gated = metric.gated,
            .phase = metric.phase,
            .baseline_values = metric.baseline_values,
            .candidate_values = metric.candidate_values,
            .baseline = metric.baseline,
            .candidate = metric.candidate,
            .reason = "withheld: " + reason};
}

void judge_all(std::vector<std::vector<WeighedObservation>>& scenarios,
               const CompareOptions& options) {
    std::vector<WeighedObservation*> gated;
    std::vector<WeighedObservation*> others;
    for (auto& metrics : scenarios) {
        for (auto& weighed : metrics) (weighed.metric.gated ? gated : others).push_back(&weighed);
    }
    judge_family(gated, stats::Adjustment::holm, options);
    judge_family(others, stats::Adjustment::benjamini_hochberg, options);
}

ObservedScenario observed(const StoredScenario& baseline, const StoredScenario& candidate) {
    return {.name = baseline.name,
            .description = baseline.description,
            .load = baseline.load,
            .baseline_repetitions = baseline.repetitions,
            .candidate_repetitions = candidate.repetitions,
            .baseline_delivery = baseline.delivery,
            .candidate_delivery = candidate.delivery,
            .metrics = {}};
}

}  // namespace

Result<Observation> observe(const StoredResult& baseline, const StoredResult& candidate,
                            const CompareOptions& options) {
    CRUCIBLE_ASSERT(options.margin > 0);
    CRUCIBLE_ASSERT(options.confidence > 0.5 && options.confidence < 1);
    if (baseline.kind != candidate.kind)
        return invalid(fmt::format(
            "{} is of the kind {}, {} of the kind {}: only results of one "
            "kind can be compared",
            baseline.path, title_of(baseline.kind), candidate.path, title_of(candidate.kind)));
    if (const auto difference = scenario_difference(baseline.scenarios, candidate.scenarios))
        return invalid(fmt::format("{} and {} were not measured under the same load: {}",
                                   baseline.path, candidate.path, *difference));
    Observation observation;
    observation.checks = observation_checks(baseline, candidate, observation.withheld);
    std::vector<std::vector<WeighedObservation>> weighed;
    for (const auto& scenario : baseline.scenarios) {
        const auto& other =
            *std::ranges::find(candidate.scenarios, scenario.name, &StoredScenario::name);
        observation.scenarios.push_back(observed(scenario, other));
        weighed.push_back(weigh_scenario(scenario, other, options));
    }
    if (observation.withheld.empty()) judge_all(weighed, options);
    for (std::size_t i = 0; i < weighed.size(); ++i) {
        for (auto& entry : weighed[i]) {
            observation.scenarios[i].metrics.push_back(
                observation.withheld.empty() ? std::move(entry.metric)
                                             : withheld_metric(entry.metric, observation.withheld));
        }
    }
    observation.reasons = observation_reasons(baseline, candidate, observation);
    return observation;
}

}  // namespace crucible::lab
