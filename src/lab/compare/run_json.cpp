#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "lab/compare/course_json.h"
#include "lab/compare/json_parts.h"
#include "lab/stats/signed_rank.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

json metric_base(const MetricInfo& info) {
    return {{"name", info.name},
            {"unit", info.unit},
            {"better", to_string(info.better)},
            {"phase", nullptr},
            {"value", nullptr},
            {"ci_low", nullptr},
            {"ci_high", nullptr},
            {"n", 0},
            {"interval", "none"},
            {"absent", ""}};
}

/// One trial: its own value, with the within-run interval where there is one.
json single_metric(const MetricValue& metric) {
    json result = metric_base(*metric.info);
    if (!metric.phase.empty()) result["phase"] = metric.phase;
    result["value"] = number(metric.value);
    result["ci_low"] = number(metric.ci_low);
    result["ci_high"] = number(metric.ci_high);
    result["n"] = metric.n;
    if (metric.ci_low) result["interval"] = "within_run";
    result["absent"] = metric.absent;
    return result;
}

/// Several trials: Hodges-Lehmann over them, and its interval from 6 trials on.
json repeated_metric(const std::vector<const MetricValue*>& trials) {
    json result = metric_base(*trials.front()->info);
    if (!trials.front()->phase.empty()) result["phase"] = trials.front()->phase;
    std::vector<double> values;
    std::string absent;
    for (const auto* metric : trials) {
        if (metric->value) {
            values.push_back(*metric->value);
        } else if (absent.empty()) {
            absent = metric->absent;
        }
    }
    result["n"] = values.size();
    if (values.size() < trials.size()) {
        // The trials without a value are the extreme ones; the rest would flatter the target.
        result["absent"] = fmt::format("no value in {} of {} trials ({})",
                                       trials.size() - values.size(), trials.size(), absent);
        return result;
    }
    result["value"] = number(stats::hodges_lehmann_estimate(values));
    if (const auto located = stats::hodges_lehmann(values, 0.95)) {
        result["ci_low"] = number(located->interval.low);
        result["ci_high"] = number(located->interval.high);
        result["interval"] = "across_trials";
    }
    return result;
}

json metrics_json(const std::vector<std::vector<MetricValue>>& trials) {
    json result = json::array();
    if (trials.empty()) return result;
    for (std::size_t m = 0; m < known_metrics().size(); ++m) {
        if (trials.size() == 1) {
            result.push_back(single_metric(trials.front()[m]));
            continue;
        }
        std::vector<const MetricValue*> values;
        for (const auto& trial : trials) values.push_back(&trial[m]);
        result.push_back(repeated_metric(values));
    }
    return result;
}

/// Each trial by itself: repeated runs can be compared only trial by trial.
json trial_values_json(const std::vector<TrialResult>& trials,
                       const std::vector<std::vector<MetricValue>>& metrics) {
    json result = json::array();
    for (std::size_t i = 0; i < trials.size(); ++i) {
        result.push_back({{"valid", trials[i].valid()}, {"values", values_json(metrics[i])}});
    }
    return result;
}

/// All checks of one trial as they are; of several, the trial's number in front.
json all_checks_json(const std::vector<TrialResult>& trials) {
    std::vector<Check> checks;
    for (std::size_t i = 0; i < trials.size(); ++i) {
        for (auto check : trials[i].checks) {
            if (trials.size() > 1) check.detail = fmt::format("trial {}: {}", i + 1, check.detail);
            checks.push_back(std::move(check));
        }
    }
    return checks_json(checks);
}

std::vector<const std::vector<PhaseResult>*> phases_of(const std::vector<TrialResult>& trials) {
    std::vector<const std::vector<PhaseResult>*> phases;
    for (const auto& trial : trials) phases.push_back(&trial.phases);
    return phases;
}

struct PooledHistograms {
    Histogram latency;
    Histogram service_time;
    Histogram lateness;
    bool saturated = false;
};

PooledHistograms pool(const std::vector<TrialResult>& trials) {
    PooledHistograms pooled;
    for (const auto& trial : trials) {
        const auto* phase = latency_phase(trial.phases);
        if (!phase) continue;
        pooled.latency.merge(phase->latency);
        pooled.service_time.merge(phase->service_time);
        pooled.lateness.merge(phase->lateness);
        pooled.saturated |= phase->saturated;
    }
    return pooled;
}

/// The metrics of a trial beside which the harness alone was not measured: an interrupted run. What
/// would be the harness's and the system's cost in one is not told as the system's.
std::vector<MetricValue> metrics_without_harness(const TrialResult& trial) {
    auto metrics = trial_metrics(trial, nullptr);
    for (auto& metric : metrics) {
        constexpr std::array<std::string_view, 6> kNetMetrics{
            "cpu_per_event", "cpu_utilization", "memory_peak",
            "memory_mean",   "threads",         "context_switches_per_event"};
        if (std::ranges::find(kNetMetrics, metric.info->name) == kNetMetrics.end()) continue;
        metric = {.info = metric.info};
        metric.absent = "the harness's own cost was not measured, so it cannot be subtracted";
    }
    return metrics;
}

}  // namespace

json run_json(const RunFacts& facts, const TargetUrl& target, const Scenario& scenario,
              const std::vector<TrialResult>& trials, const std::vector<TrialResult>& harness) {
    std::vector<std::vector<MetricValue>> metrics;
    std::vector<std::vector<MetricValue>> harness_metrics;
    Delivery delivery;
    std::optional<Error> failure;
    bool interrupted = false;
    for (std::size_t i = 0; i < trials.size(); ++i) {
        metrics.push_back(i < harness.size() ? trial_metrics(trials[i], &harness[i])
                                             : metrics_without_harness(trials[i]));
        for (const auto& phase : trials[i].phases) delivery += phase.delivery;
        if (!failure) failure = trials[i].failure;
        interrupted |= trials[i].interrupted;
    }
    for (const auto& trial : harness) harness_metrics.push_back(trial_metrics(trial, nullptr));
    std::vector<const std::vector<MetricValue>*> harness_trials;
    for (const auto& trial : harness_metrics) harness_trials.push_back(&trial);

    const auto pooled = pool(trials);
    json result = header_json("crucible.run/1", facts);
    result["interrupted"] = interrupted;
    result["failure"] = failure_json(failure);
    result["target"] = target.text;
    json measured = {
        {"name", scenario.name},
        {"description", scenario.description},
        {"load", load_json(scenario)},
        {"trials", trials.size()},
        {"metrics", metrics_json(metrics)},
        {"trial_values", trial_values_json(trials, metrics)},
        {"delivery", delivery_json(delivery)},
        {"checks", all_checks_json(trials)},
        {"segments", segments_json(phases_of(trials))},
        {"series", trials.empty() ? json::array() : series_json(trials.front().phases)},
        {"harness", harness_json(harness_trials)},
        // Saturated latencies are not drawn: they show how long the run was. The histogram keeps
        // them for whoever wants to look.
        {"curves",
         {{"latency",
           {{"target", pooled.saturated ? json::array() : curve_json(pooled.latency)}}}}},
        {"histograms",
         {{"latency", pooled.latency.encode()},
          {"service_time", pooled.service_time.encode()},
          {"lateness", pooled.lateness.encode()}}}};
    result["scenarios"] = json::array({std::move(measured)});
    return result;
}

}  // namespace crucible::lab
