#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "lab/compare/json_parts.h"
#include "lab/compare/judge_metric.h"
#include "lab/memory/memory_parts.h"
#include "lab/memory/memory_profile.h"
#include "lab/memory/parts_json.h"
#include "lab/memory/stack_json.h"
#include "lab/record/resource_json.h"
#include "lab/stats/trend.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

/// Of each round the slope over the numbers of clients at which it has the metric.
json slope_json(const TargetMemory& target, std::string_view name, std::string_view unit) {
    std::vector<double> slopes;
    std::uint32_t rounds = 0;
    for (const auto& [count, cell] : target.cells)
        for (const auto round : cell.rounds) rounds = std::max(rounds, round + 1);
    for (std::uint32_t round = 0; round < rounds; ++round) {
        std::vector<double> clients;
        std::vector<double> values;
        for (const auto& [count, cell] : target.cells) {
            const auto at = std::ranges::find(cell.rounds, round);
            if (at == cell.rounds.end()) continue;
            for (const auto& metric :
                 cell.metrics[static_cast<std::size_t>(at - cell.rounds.begin())]) {
                if (metric.info->name != name || !metric.value) continue;
                clients.push_back(count);
                values.push_back(*metric.value);
            }
        }
        // Only rounds that have it at every number of clients.
        if (clients.size() >= 2 && clients.size() == target.cells.size())
            slopes.push_back(stats::theil_sen_slope(clients, values));
    }
    json slope = over_rounds(slopes);
    slope.update({{"name", name}, {"unit", unit}});
    return slope;
}

/// Those of all rounds: parts are told of no fewer rounds than the metrics beside them.
const std::vector<MemoryFigures>& figures_of_all(const MemoryCell& cell) {
    static const std::vector<MemoryFigures> none;
    return cell.figures.size() == cell.rounds.size() ? cell.figures : none;
}

json delivery_of(const TargetMemory& target, std::uint32_t clients) {
    const auto found = target.deliveries.find(clients);
    return delivery_json(found == target.deliveries.end() ? Delivery{} : found->second);
}

json target_json(const TargetMemory& target, std::uint32_t clients,
                 const std::map<std::string, std::string>& files) {
    json by_clients = json::array();
    for (const auto& [count, cell] : target.cells) {
        by_clients.push_back({{"clients", count},
                              {"rounds", cell.metrics.size()},
                              {"delivery", delivery_of(target, count)},
                              {"metrics", metrics_over_rounds(cell.metrics)},
                              {"owners", owners_json(figures_of_all(cell))}});
    }
    auto missing = target.missing;
    missing.insert(missing.end(), target.outside.begin(), target.outside.end());
    static const MemoryCell none;
    const auto main = target.cells.find(clients);
    const MemoryCell& cell = main == target.cells.end() ? none : main->second;
    const auto& figures = figures_of_all(cell);
    json slopes = json::array();
    for (const auto name : {"memory_peak", "live_bytes", "live_bytes_peak"})
        slopes.push_back(slope_json(target, name, "bytes"));
    return {{"target", target.target},
            {"delivery", delivery_of(target, clients)},
            {"metrics", metrics_over_rounds(cell.metrics)},
            {"owners", owners_json(figures)},
            {"stages", stages_json(figures)},
            {"sizes", sizes_json(figures)},
            {"threads", threads_json(figures)},
            {"categories", categories_json(target.alone)},
            {"in_flight", in_flight_json(figures)},
            {"by_clients", std::move(by_clients)},
            {"per_client", std::move(slopes)},
            {"stacks", target.stacks ? stacks_json(*target.stacks, files) : json(nullptr)},
            {"lifetimes", lifetimes_json(cell)},
            {"leak", target.leak ? leak_watch_json(*target.leak) : json(nullptr)},
            {"resources", target.resources ? resources_json(*target.resources) : json(nullptr)},
            {"missing", std::move(missing)},
            {"failure", failure_json(target.failure)},
            {"failed_trials", target.failed_trials}};
}

json comparison_json(const ProfileOptions& options, const MemoryProfile& profile) {
    if (profile.targets.size() != 2) return nullptr;
    std::vector<WeighedMetric> weighed;
    for (const auto name : kPlainMemoryMetrics)
        weighed.push_back(weigh_metric(profile.rounds, *find_metric(name), options.compare));
    for (const auto metrics : {allocation_metrics(), lifetime_metrics()})
        for (const auto& info : metrics)
            weighed.push_back(weigh_metric(profile.rounds, info, options.compare));
    std::vector<WeighedMetric*> gated;
    std::vector<WeighedMetric*> others;
    for (auto& metric : weighed) (metric.result.info->gated ? gated : others).push_back(&metric);
    correct_family(gated, stats::Adjustment::holm);
    correct_family(others, stats::Adjustment::benjamini_hochberg);
    json metrics = json::array();
    for (auto& metric : weighed) {
        add_intervals(metric, options.compare);
        decide(metric, metric.result.info->gated ? gated.size() : others.size(), options.compare);
        metrics.push_back(compared_metric_json(metric.result));
    }
    return {{"baseline", profile.targets[0].target},
            {"candidate", profile.targets[1].target},
            {"clients", profile.clients},
            {"method", method_json(options.compare)},
            {"metrics", std::move(metrics)},
            {"parts", compared_parts_json(compare_parts(profile, options.compare))}};
}

}  // namespace

json memory_json(const RunFacts& facts, const ProfileOptions& options,
                 const MemoryProfile& profile) {
    json result = header_json("crucible.memory/1", facts);
    result["interrupted"] = profile.interrupted;
    result["failure"] = failure_json(profile.failure);
    result["scenario"] = {{"name", options.scenario.name},
                          {"description", options.scenario.description},
                          {"load", load_json(options.scenario)}};
    result["clients"] = profile.clients;
    result["checks"] = checks_json(profile.checks);
    result["targets"] = json::array();
    for (std::size_t i = 0; i < profile.targets.size(); ++i) {
        result["targets"].push_back(
            target_json(profile.targets[i], profile.clients, stack_files(profile, i)));
    }
    result["comparison"] = comparison_json(options, profile);
    return result;
}

}  // namespace crucible::lab
