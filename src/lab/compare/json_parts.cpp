#include "lab/compare/json_parts.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "lab/stats/robust.h"
#include "lab/stats/signed_rank.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

}  // namespace

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

json environment_json(const Environment& environment) {
    const auto limit = environment.idle_latency_limit;
    return {
        {"cpu", environment.cpu_model},
        {"cores", environment.cores},
        {"memory_bytes", environment.memory_bytes},
        {"kernel", environment.kernel},
        {"os", environment.os},
        {"governor",
         environment.frequency_governor ? json(*environment.frequency_governor) : json(nullptr)},
        {"load_average",
         {environment.load_average_1m, environment.load_average_5m, environment.load_average_15m}},
        {"idle_latency_limit", limit ? json(seconds(*limit)) : json(nullptr)},
        {"wakeup_p50", seconds(environment.wakeup_p50)},
        {"wakeup_p99", seconds(environment.wakeup_p99)}};
}

namespace {

json phase_json(const Phase& phase) {
    json result = {{"name", phase.name},
                   {"warmup", seconds(phase.warmup)},
                   {"duration", seconds(phase.duration())}};
    if (phase.pattern) {
        result["loop"] = "open";
        result["rate"] = phase.pattern->mean_rate();
        result["pattern"] = phase.pattern->text();
        result["arrivals"] = to_string(phase.arrivals);
        result["events"] = phase.events();
    } else {
        result["loop"] = "closed";
        result["window"] = phase.window;
        result["think"] = seconds(phase.think);
    }
    return result;
}

}  // namespace

json number(double value) {
    return std::isfinite(value) ? json(value) : json(nullptr);
}

json number(const std::optional<double>& value) {
    return value ? number(*value) : json(nullptr);
}

json facts_json(std::string_view schema, const RunFacts& facts) {
    return {{"schema", schema},
            {"crucible", {{"version", facts.version}, {"commit", facts.commit}}},
            {"command", facts.command},
            {"seed", facts.seed},
            {"started", facts.started},
            {"duration_seconds", number(facts.duration_seconds)}};
}

json header_json(std::string_view schema, const RunFacts& facts) {
    auto result = facts_json(schema, facts);
    result["environment"] = environment_json(read_environment());
    return result;
}

json failure_json(const std::optional<Error>& failure) {
    if (!failure) return nullptr;
    return {{"code", to_string(failure->code)}, {"message", failure->message}};
}

json load_json(const Scenario& scenario) {
    json phases = json::array();
    for (const auto& phase : scenario.plan.phases) phases.push_back(phase_json(phase));
    return {{"clients", scenario.plan.clients},
            {"services", scenario.system.services},
            {"payload_bytes", std::llround(scenario.plan.workload.payload.mean())},
            {"payload", scenario.plan.workload.payload.text()},
            {"mix", scenario.plan.workload.mix.text()},
            {"accounts", scenario.plan.workload.accounts.text()},
            {"faults", scenario.plan.workload.faults.text()},
            {"client_cpus", scenario.plan.cpus.text()},
            {"system_cpus", scenario.system.cpus.text()},
            {"events_per_pass", scenario.events_per_pass},
            {"realtime", scenario.plan.realtime},
            {"pacing", scenario.plan.pacing == Pacing::precise ? "precise" : "coalesced"},
            {"phases", std::move(phases)}};
}

json delivery_json(const Delivery& delivery) {
    return {{"planned", delivery.planned},
            {"sent", delivery.sent},
            {"handled", delivery.handled},
            {"rejected", delivery.rejected},
            {"lost", delivery.lost},
            {"duplicated", delivery.duplicated},
            {"reordered", delivery.reordered_total()}};
}

json checks_json(const std::vector<Check>& checks) {
    json result = json::array();
    for (const auto& check : checks) {
        result.push_back(
            {{"name", check.name}, {"passed", check.passed}, {"detail", check.detail}});
    }
    return result;
}

json estimate_json(const std::optional<Estimate>& estimate) {
    if (!estimate) return nullptr;
    return {{"value", number(estimate->value)},
            {"ci_low", number(estimate->ci_low)},
            {"ci_high", number(estimate->ci_high)}};
}

json over_rounds(const std::vector<double>& values) {
    constexpr double kLevel = 0.95;
    json result{
        {"value", nullptr}, {"ci_low", nullptr}, {"ci_high", nullptr}, {"n", values.size()}};
    if (values.empty()) return result;
    result["value"] = number(stats::hodges_lehmann_estimate(values));
    if (const auto located = stats::hodges_lehmann(values, kLevel)) {
        result["ci_low"] = number(located->interval.low);
        result["ci_high"] = number(located->interval.high);
    }
    return result;
}

json metrics_over_rounds(const std::vector<std::vector<MetricValue>>& rounds) {
    json result = json::array();
    if (rounds.empty()) return result;
    for (std::size_t m = 0; m < rounds.front().size(); ++m) {
        const auto& info = *rounds.front()[m].info;
        std::vector<double> values;
        std::string absent;
        for (const auto& round : rounds) {
            if (round[m].value) {
                values.push_back(*round[m].value);
            } else if (absent.empty()) {
                absent = round[m].absent;
            }
        }
        if (!absent.empty()) values.clear();
        json metric = over_rounds(values);
        metric.update({{"name", info.name},
                       {"unit", info.unit},
                       {"better", to_string(info.better)},
                       {"absent", absent}});
        result.push_back(std::move(metric));
    }
    return result;
}

json values_json(const std::vector<MetricValue>& metrics) {
    json values = json::object();
    for (const auto& metric : metrics) {
        if (metric.value) values[std::string(metric.info->name)] = number(*metric.value);
    }
    return values;
}

json harness_json(const std::vector<const std::vector<MetricValue>*>& trials) {
    json result = json::array();
    for (const auto& info : known_metrics()) {
        std::vector<double> values;
        for (const auto* metrics : trials) {
            for (const auto& metric : *metrics) {
                if (metric.info == &info && metric.value) values.push_back(*metric.value);
            }
        }
        if (values.empty()) continue;
        result.push_back(
            {{"name", info.name}, {"unit", info.unit}, {"value", number(stats::median(values))}});
    }
    return result;
}

json curve_json(const Histogram& histogram) {
    constexpr int kPoints = 60;
    constexpr double kFirst = 0.1;
    json curve = json::array();
    if (histogram.count() < quantile_samples_min(0.5)) return curve;
    // quantile_samples_min() turned around.
    const double last = std::pow(0.025, 1.0 / static_cast<double>(histogram.count()));
    const double from = std::log(1 - kFirst);
    const double to = std::log(1 - last);
    for (int i = 0; i < kPoints; ++i) {
        const double p = -std::expm1(from + (to - from) * i / (kPoints - 1));
        curve.push_back({p, seconds(histogram.quantile(p))});
    }
    return curve;
}

}  // namespace crucible::lab
