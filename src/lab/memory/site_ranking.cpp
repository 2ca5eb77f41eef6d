#include "lab/memory/site_ranking.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "lab/memory/stack_figures.h"

namespace crucible::lab {
namespace {

/// Of each: by what was allocated, and by what is live.
constexpr std::size_t kSitesTold = 20;

std::vector<RankedSite> sites_of(const TargetStacks& stacks) {
    struct MostOfSite {
        RankedSite site;
        std::int64_t most = -1;
    };
    constexpr std::size_t kBytes = 1;  // of allocation_kinds()
    std::map<std::pair<std::string, std::string>, MostOfSite> sites;
    const auto& profile = stacks.profile;
    for (std::size_t i = 0; i < profile.samples.size(); ++i) {
        const auto& sample = profile.samples[i];
        const auto words = describe_site(profile, sample);
        auto& [site, most] = sites[{sample.owner, words}];
        site.owner = sample.owner;
        site.site = words;
        site.sums += stacks.sums[i];
        if (sample.values[kBytes] > most) {
            most = sample.values[kBytes];
            site.stack = describe_stack(profile, sample);
        }
    }
    std::vector<RankedSite> all;
    for (auto& [key, found] : sites) all.push_back(std::move(found.site));
    return all;
}

/// The indices of those that have most of it, of those that it ranks.
void add_top(std::set<std::size_t>& to, const std::vector<RankedSite>& sites,
             bool RankedSite::*ranked, alloc::Estimate StackSums::*figure) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < sites.size(); ++i)
        if (sites[i].*ranked) order.push_back(i);
    std::ranges::stable_sort(order, std::ranges::greater(),
                             [&](std::size_t i) { return (sites[i].sums.*figure).value; });
    order.resize(std::min(order.size(), kSitesTold));
    to.insert(order.begin(), order.end());
}

bool is_enough(const alloc::Estimate& estimate, std::uint64_t samples, std::uint64_t mean_bytes) {
    if (mean_bytes == 0 || samples >= kSamplesRanked) return true;
    const auto figure = bytes_figure(estimate, samples, mean_bytes);
    return *figure.high - *figure.low <= kWidthRanked * figure.value;
}

}  // namespace

RankedSites rank_sites(const TargetStacks& stacks) {
    auto sites = sites_of(stacks);
    RankedSites ranked{.sites = {}, .in_all = sites.size()};
    for (auto& site : sites) {
        const auto& sums = site.sums;
        site.by_bytes = is_enough(sums.bytes, sums.samples, stacks.mean_bytes);
        site.by_live = is_enough(sums.live_bytes, sums.live_samples, stacks.mean_bytes);
        if (site.by_bytes || site.by_live) continue;
        ++ranked.few;
        ranked.few_sums += site.sums;
    }
    std::set<std::size_t> kept;
    add_top(kept, sites, &RankedSite::by_bytes, &StackSums::bytes);
    add_top(kept, sites, &RankedSite::by_live, &StackSums::live_bytes);
    for (const auto index : kept) ranked.sites.push_back(std::move(sites[index]));
    std::ranges::stable_sort(ranked.sites, std::ranges::greater(), [&](const RankedSite& site) {
        return site.by_bytes ? site.sums.bytes.value : -1;
    });
    return ranked;
}

}  // namespace crucible::lab
