#include "lab/memory/stack_json.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "lab/compare/json_parts.h"
#include "lab/memory/leak_json.h"
#include "lab/memory/site_ranking.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

/// The ends of its interval are null where it is exact, or nobody knows them.
json estimate_json(const SampledFigure& figure, double events, bool whole) {
    const auto end = [&](const std::optional<double>& value) {
        return value && whole ? number(*value / events) : json(nullptr);
    };
    return {{"value", figure.value / events},
            {"ci_low", end(figure.low)},
            {"ci_high", end(figure.high)}};
}

json site_json(const RankedSite& site, const TargetStacks& stacks) {
    const auto& sums = site.sums;
    const double events = stacks.events;
    const auto bytes = [&](const alloc::Estimate& estimate, std::uint64_t samples, double per) {
        return estimate_json(bytes_figure(estimate, samples, stacks.mean_bytes), per, stacks.whole);
    };
    json ranked_by = json::array();
    if (site.by_bytes) ranked_by.push_back("bytes_per_event");
    if (site.by_live) ranked_by.push_back("live_bytes");
    return {{"owner", site.owner},
            {"site", site.site},
            {"samples", sums.samples},
            {"live_samples", sums.live_samples},
            {"ranked_by", std::move(ranked_by)},
            {"allocations_per_event", sums.allocations.value / events},
            {"bytes_per_event", bytes(sums.bytes, sums.samples, events)},
            {"live_blocks", sums.live_blocks.value},
            {"live_bytes", bytes(sums.live_bytes, sums.live_samples, 1)},
            {"byte_seconds_per_event", sums.freed_byte_seconds / events},
            {"stack", site.stack}};
}

json few_json(const RankedSites& sites, double events) {
    if (sites.few == 0) return nullptr;
    const auto& sums = sites.few_sums;
    return {{"sites", sites.few},
            {"samples", sums.samples},
            {"live_samples", sums.live_samples},
            {"allocations_per_event", sums.allocations.value / events},
            {"bytes_per_event", sums.bytes.value / events},
            {"live_blocks", sums.live_blocks.value},
            {"live_bytes", sums.live_bytes.value},
            {"byte_seconds_per_event", sums.freed_byte_seconds / events}};
}

json quantile(const std::vector<alloc::LifetimeClass>& classes, double p) {
    return number(lifetime_quantile(classes, p));
}

json lifetime_json(const std::string& owner, const std::vector<alloc::LifetimeClass>& classes) {
    json histogram = json::array();
    double blocks = 0;
    for (const auto& one : classes) {
        blocks += one.blocks;
        histogram.push_back(
            {{"from", one.from_ns / 1e9}, {"to", one.to_ns / 1e9}, {"blocks", one.blocks}});
    }
    return {{"owner", owner},
            {"blocks", blocks},
            {"p50", quantile(classes, 0.50)},
            {"p90", quantile(classes, 0.90)},
            {"p99", quantile(classes, 0.99)},
            {"short_lived_share", short_lived_share(classes)},
            {"classes", std::move(histogram)}};
}

}  // namespace

json stacks_json(const TargetStacks& stacks, const std::map<std::string, std::string>& files) {
    const auto ranked = rank_sites(stacks);
    json told = json::array();
    for (const auto& site : ranked.sites) told.push_back(site_json(site, stacks));
    return {{"events", stacks.events},
            {"mean_bytes_between_samples", stacks.mean_bytes},
            {"exact", stacks.exact()},
            {"ranked_from_samples", stacks.mean_bytes == 0 ? 0 : kSamplesRanked},
            {"sites_in_all", ranked.in_all},
            {"sites", std::move(told)},
            {"few_samples", few_json(ranked, stacks.events)},
            {"files", files},
            {"remarks", stacks.profile.remarks}};
}

json lifetimes_json(const MemoryCell& cell) {
    std::map<std::string, std::vector<alloc::LifetimeClass>> owners;
    std::vector<alloc::LifetimeClass> total;
    for (const auto& round : cell.lifetimes) {
        for (const auto& one : round.owners) add_lifetimes(owners[one.owner], one.classes);
        add_lifetimes(total, round.total.classes);
    }
    json result = json::array();
    // As all that is told over rounds.
    if (cell.lifetimes.empty() || cell.lifetimes.size() != cell.rounds.size()) return result;
    result.push_back(lifetime_json("total", total));
    for (const auto& [owner, classes] : owners) result.push_back(lifetime_json(owner, classes));
    return result;
}

json leak_watch_json(const LeakWatch& watch) {
    json result = leak_json(watch.judgement);
    const auto course = [](const std::vector<double>& bytes) {
        if (bytes.empty()) return json(nullptr);
        return json{
            {"first", bytes.front()}, {"last", bytes.back()}, {"peak", std::ranges::max(bytes)}};
    };
    result["sites_are"] = watch.sites_are;
    result["why_not_call_sites"] = watch.why_not_call_sites;
    result["duration"] = std::chrono::duration<double>(watch.duration).count();
    result["own_memory"] = course(watch.own_bytes);
    result["worker_memory"] = course(watch.worker_bytes);
    return result;
}

}  // namespace crucible::lab
