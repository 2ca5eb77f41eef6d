#include "lab/memory/stack_json.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "lab/compare/json_parts.h"
#include "lab/memory/leak_json.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

/// Of each: by what was allocated, and by what is live.
constexpr std::size_t kSitesTold = 20;

/// All stacks of one owner that are the same in words.
struct TopSite {
    std::string owner;
    std::string site;
    std::vector<std::string> stack;  ///< of the one that allocated most
    std::array<double, 5> values{};  ///< as allocation_kinds()
    std::int64_t most = -1;
};
enum Kind : std::size_t { kAllocations, kBytes, kLiveBlocks, kLiveBytes, kByteSeconds };

std::vector<TopSite> sites_of(const SymbolizedProfile& profile) {
    std::map<std::pair<std::string, std::string>, TopSite> sites;
    for (const auto& sample : profile.samples) {
        const auto words = describe_site(profile, sample);
        auto& site = sites[{sample.owner, words}];
        site.owner = sample.owner;
        site.site = words;
        for (std::size_t i = 0; i < site.values.size(); ++i)
            site.values[i] += static_cast<double>(sample.values[i]);
        if (sample.values[kBytes] > site.most) {
            site.most = sample.values[kBytes];
            site.stack = describe_stack(profile, sample);
        }
    }
    std::vector<TopSite> all;
    for (auto& [key, site] : sites) all.push_back(std::move(site));
    return all;
}

void keep_top(std::vector<TopSite>& sites) {
    std::set<std::size_t> kept;
    for (const Kind kind : {kBytes, kLiveBytes}) {
        std::vector<std::size_t> order(sites.size());
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
        std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
            return sites[a].values[kind] > sites[b].values[kind];
        });
        order.resize(std::min(order.size(), kSitesTold));
        kept.insert(order.begin(), order.end());
    }
    std::vector<TopSite> top;
    for (const auto index : kept) top.push_back(std::move(sites[index]));
    std::ranges::stable_sort(top, [](const TopSite& a, const TopSite& b) {
        return a.values[kBytes] > b.values[kBytes];
    });
    sites = std::move(top);
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
    auto sites = sites_of(stacks.profile);
    const std::size_t all = sites.size();
    keep_top(sites);
    json told = json::array();
    for (const auto& site : sites) {
        told.push_back({{"owner", site.owner},
                        {"site", site.site},
                        {"allocations_per_event", site.values[kAllocations] / stacks.events},
                        {"bytes_per_event", site.values[kBytes] / stacks.events},
                        {"live_blocks", site.values[kLiveBlocks]},
                        {"live_bytes", site.values[kLiveBytes]},
                        {"byte_seconds_per_event", site.values[kByteSeconds] / stacks.events},
                        {"stack", site.stack}});
    }
    return {{"events", stacks.events}, {"mean_bytes_between_samples", stacks.mean_bytes},
            {"sites_in_all", all},     {"sites", std::move(told)},
            {"files", files},          {"remarks", stacks.profile.remarks}};
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
