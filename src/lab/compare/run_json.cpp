#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "lab/compare/json_parts.h"
#include "lab/stats/signed_rank.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

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

std::vector<std::uint64_t> total_backlog(const PhaseResult& phase) {
    std::vector<std::uint64_t> total;
    for (const auto& client : phase.clients) {
        total.resize(std::max(total.size(), client.backlog.size()), 0);
        for (std::size_t i = 0; i < client.backlog.size(); ++i) total[i] += client.backlog[i];
    }
    return total;
}

/// The values of `points`, each as `value` sees it.
template <typename Point, typename Value>
json each(const std::vector<Point>& points, Value value) {
    json result = json::array();
    for (const auto& point : points) result.push_back(value(point));
    return result;
}

/// Of latencies kept for less than a second each, whole seconds; `interval` becomes theirs.
std::vector<CoarseHistogram> whole_seconds(const std::vector<CoarseHistogram>& parts,
                                           Duration& interval) {
    const auto together = static_cast<std::size_t>(
        std::max<std::int64_t>(1, Series::kCoarse / std::max(interval, Duration(1))));
    std::vector<CoarseHistogram> seconds((parts.size() + together - 1) / together);
    for (std::size_t i = 0; i < parts.size(); ++i) seconds[i / together] += parts[i];
    interval *= static_cast<std::int64_t>(together);
    return seconds;
}

/// The course of one phase: what was sent and what came back over time.
void add_series(const PhaseResult& phase, json& result) {
    const auto add = [&](std::string_view name, std::string_view unit, Duration interval,
                         json values) {
        result.push_back({{"name", name},
                          {"phase", phase.phase.name},
                          {"unit", unit},
                          {"interval", seconds(interval)},
                          {"values", std::move(values)}});
    };
    add("backlog", "events", kBacklogInterval, total_backlog(phase));
    if (phase.clients.empty()) return;
    const Duration fine = phase.clients.front().series_interval;
    Duration coarse = phase.clients.front().latency_interval;
    const auto latencies = whole_seconds(phase.latency_series, coarse);
    const auto mean = [](const SeriesPoint& point) {
        if (point.handled == 0) return json(nullptr);
        return json(seconds(point.latency_sum) / static_cast<double>(point.handled));
    };
    add("sent", "events", fine, each(phase.series, [](const auto& p) { return p.sent; }));
    add("handled", "events", fine, each(phase.series, [](const auto& p) { return p.handled; }));
    add("refused", "events", fine, each(phase.series, [](const auto& p) { return p.refused; }));
    add("latency_mean", "s", fine, each(phase.series, mean));
    add("latency_max", "s", fine,
        each(phase.series, [](const auto& p) { return seconds(p.latency_max); }));
    if (phase.phase.open_loop()) {
        add("lateness_max", "s", fine,
            each(phase.series, [](const auto& p) { return seconds(p.lateness_max); }));
    }
    for (const auto& [name, p] : {std::pair{"latency_p50", 0.5}, std::pair{"latency_p99", 0.99}}) {
        const auto quantile = [p](const CoarseHistogram& part) {
            return part.count() < quantile_samples_min(p) ? json(nullptr)
                                                          : json(seconds(part.quantile(p)));
        };
        add(name, "s", coarse, each(latencies, quantile));
    }
}

/// Of the first trial: a series shows one run's course, not a mean.
json series_json(const std::vector<TrialResult>& trials) {
    json result = json::array();
    if (trials.empty()) return result;
    for (const auto& phase : trials.front().phases) add_series(phase, result);
    return result;
}

/// The stretches of patterns that have several, pooled over the trials.
json segments_json(const std::vector<TrialResult>& trials) {
    json result = json::array();
    if (trials.empty()) return result;
    for (std::size_t p = 0; p < trials.front().phases.size(); ++p) {
        const auto& first = trials.front().phases[p];
        for (std::size_t i = 0; i < first.segments.size(); ++i) {
            const auto& segment = first.phase.pattern->segments()[i];
            SegmentPart pooled;
            bool saturated = false;
            for (const auto& trial : trials) {
                if (p >= trial.phases.size() || i >= trial.phases[p].segments.size()) continue;
                pooled += trial.phases[p].segments[i];
                saturated |= trial.phases[p].saturated;
            }
            json entry = {{"phase", first.phase.name},
                          {"name", segment.name},
                          {"start", seconds(first.phase.pattern->start_of(i))},
                          {"duration", seconds(segment.duration)},
                          {"planned", segment.count_at(segment.duration)},
                          {"sent", pooled.sent},
                          {"handled", pooled.latency.count()}};
            for (const auto& [name, q] :
                 {std::pair{"latency_p50", 0.5}, std::pair{"latency_p99", 0.99}}) {
                const bool known = !saturated && pooled.latency.count() >= quantile_samples_min(q);
                entry[name] = known ? json(seconds(pooled.latency.quantile(q))) : json(nullptr);
            }
            entry["latency_max"] =
                pooled.latency.count() == 0 ? json(nullptr) : json(seconds(pooled.latency.max()));
            result.push_back(std::move(entry));
        }
    }
    return result;
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
        {"delivery", delivery_json(delivery)},
        {"checks", all_checks_json(trials)},
        {"segments", segments_json(trials)},
        {"series", series_json(trials)},
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
