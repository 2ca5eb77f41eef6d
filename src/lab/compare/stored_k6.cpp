#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "lab/compare/stored_kinds.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

constexpr double kMillisecond = 1e-3;

/// The figures of a metric: behind "values" where handleSummary() got them, else its own members.
const json* figures_of(const json& metrics, const char* name) {
    const auto found = metrics.find(name);
    if (found == metrics.end()) return nullptr;
    const auto values = found->find("values");
    return values == found->end() ? &*found : &*values;
}

const json* member(const json* object, const char* name) {
    if (!object) return nullptr;
    const auto found = object->find(name);
    return found == object->end() ? nullptr : &*found;
}

Result<void> add(const json& value, StoredMetric metric, double scale,
                 std::vector<StoredMetric>& metrics) {
    const auto number = stored_value(value, metric.name);
    if (!number) return std::unexpected(number.error());
    metric.values.push_back(*number * scale);
    metrics.push_back(std::move(metric));
    return {};
}

/// "p(95)" -> 95; none for another name.
std::optional<double> percentile_of(std::string_view statistic) {
    if (!statistic.starts_with("p(") || !statistic.ends_with(")")) return std::nullopt;
    double percentile = 0;
    const auto* end = statistic.data() + statistic.size() - 1;
    const auto [rest, status] = std::from_chars(statistic.data() + 2, end, percentile);
    if (status != std::errc() || rest != end) return std::nullopt;
    return percentile;
}

/// avg, min, med, max, and the percentiles in their order.
Result<void> add_durations(const json& figures, std::vector<StoredMetric>& metrics) {
    std::vector<std::pair<double, std::string>> percentiles;
    for (const auto& [statistic, value] : figures.items()) {
        if (const auto percentile = percentile_of(statistic))
            percentiles.emplace_back(*percentile, statistic);
    }
    std::ranges::sort(percentiles);
    std::vector<std::pair<std::string, std::string>> named;  // what k6 calls it, what we do
    for (const std::string statistic : {"avg", "min", "med", "max"})
        named.emplace_back(statistic, statistic);
    for (const auto& [percentile, statistic] : percentiles)
        named.emplace_back(statistic, fmt::format("p{:g}", percentile));
    for (const auto& [statistic, name] : named) {
        const auto* value = member(&figures, statistic.c_str());
        if (!value) continue;
        const auto added =
            add(*value, {.name = "http_req_duration_" + name, .unit = "s"}, kMillisecond, metrics);
        if (!added) return added;
    }
    return {};
}

Result<StoredScenario> read_metrics(const json& metrics) {
    StoredScenario scenario{.name = "k6", .description = "as its summary tells it"};
    scenario.repetitions = 1;
    if (const auto* duration = figures_of(metrics, "http_req_duration")) {
        const auto added = add_durations(*duration, scenario.metrics);
        if (!added) return std::unexpected(added.error());
    }
    if (const auto* rate = member(figures_of(metrics, "http_reqs"), "rate")) {
        const auto added =
            add(*rate, {.name = "http_reqs_rate", .unit = "requests/s", .better = Better::higher},
                1, scenario.metrics);
        if (!added) return std::unexpected(added.error());
    }
    const auto* failed = figures_of(metrics, "http_req_failed");
    const auto* share = member(failed, "rate");
    if (!share) share = member(failed, "value");
    if (share) {
        const auto added =
            add(*share, {.name = "http_req_failed_rate", .unit = "1"}, 1, scenario.metrics);
        if (!added) return std::unexpected(added.error());
    }
    // Of the load it says no more than this.
    if (const auto* users = member(figures_of(metrics, "vus_max"), "max");
        users && users->is_number())
        scenario.load = json{{"vus_max", *users}}.dump();
    return scenario;
}

/// Thresholds that were not kept: {"ok": false}, or `true` in the older form.
void read_thresholds(const json& metrics, std::vector<std::string>& flaws) {
    for (const auto& [name, metric] : metrics.items()) {
        const auto* thresholds = member(&metric, "thresholds");
        if (!thresholds) continue;
        for (const auto& [rule, outcome] : thresholds->items()) {
            const bool kept =
                outcome.is_object() ? outcome.at("ok").get<bool>() : !outcome.get<bool>();
            if (!kept) flaws.push_back(fmt::format("threshold of {}: {}", name, rule));
        }
    }
}

}  // namespace

Result<StoredContent> read_k6_summary(const json& object) {
    const auto& metrics = object.at("metrics");
    auto scenario = read_metrics(metrics);
    if (!scenario) return std::unexpected(scenario.error());
    if (scenario->metrics.empty())
        return std::unexpected(
            Error{Errc::unsupported,
                  "of no known kind: it has 'metrics', but none of k6's http_req_duration, "
                  "http_reqs and http_req_failed"});
    StoredContent content;
    read_thresholds(metrics, content.file.flaws);
    if (const auto* checks = figures_of(metrics, "checks")) {
        const auto* fails = member(checks, "fails");
        const auto* passes = member(checks, "passes");
        if (fails && passes && fails->get<double>() > 0)
            content.file.flaws.push_back(fmt::format("{:g} of {:g} checks failed",
                                                     fails->get<double>(),
                                                     fails->get<double>() + passes->get<double>()));
    }
    content.scenarios.push_back(*std::move(scenario));
    return content;
}

}  // namespace crucible::lab
