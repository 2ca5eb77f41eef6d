#include "lab/memory/site_ranking.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace crucible::lab {
namespace {

/// Of one function each. Samples stand for 1,000 bytes each, of 10 blocks.
void add_stack(TargetStacks& to, const std::string& function, std::uint64_t samples,
               std::uint64_t live_samples) {
    const auto standing_for = [](std::uint64_t count, double each) {
        const auto n = static_cast<double>(count);
        return alloc::Estimate{n * each, n * each * each};
    };
    StackSums sums;
    sums.samples = samples;
    sums.live_samples = live_samples;
    sums.allocations = standing_for(samples, 10);
    sums.bytes = standing_for(samples, 1000);
    sums.live_blocks = standing_for(live_samples, 10);
    sums.live_bytes = standing_for(live_samples, 1000);
    to.sums.push_back(sums);
    auto& profile = to.profile;
    profile.samples.push_back({.stack = {profile.locations.size()}, .owner = "system: queue"});
    profile.samples.back().values = {0, static_cast<std::int64_t>(sums.bytes.value), 0, 0, 0};
    profile.locations.push_back({.frames = {{.function = function}}});
}

std::vector<std::string> names_of(const RankedSites& ranked) {
    std::vector<std::string> names;
    for (const auto& site : ranked.sites) names.push_back(site.site);
    return names;
}

// Five samples rank a place, and so do five blocks that are live; it takes no part in the order of
// what it has fewer of. Stacks of one place have their samples together.
TEST(RankedSites, HaveEnoughSamples) {
    TargetStacks stacks{.events = 10, .mean_bytes = 1000};
    add_stack(stacks, "four", 4, 4);
    add_stack(stacks, "held", 4, 9);
    add_stack(stacks, "five", 5, 0);
    add_stack(stacks, "twice", 3, 1);
    add_stack(stacks, "seven", 7, 1);
    add_stack(stacks, "twice", 3, 0);
    add_stack(stacks, "one", 1, 0);
    const auto ranked = rank_sites(stacks);
    EXPECT_EQ(names_of(ranked), (std::vector<std::string>{"seven", "twice", "five", "held"}));
    EXPECT_EQ(ranked.in_all, 6U);
    EXPECT_EQ(ranked.sites[1].sums.samples, 6U);
    EXPECT_EQ(ranked.sites[1].sums.bytes.value, 6000);
    EXPECT_EQ(ranked.sites[1].sums.bytes.variance, 6e6);
    EXPECT_EQ(ranked.few, 2U);
    EXPECT_EQ(ranked.few_sums.samples, 5U);
    EXPECT_EQ(ranked.few_sums.live_samples, 4U);
    EXPECT_EQ(ranked.few_sums.bytes.value, 5000);
    EXPECT_EQ(ranked.few_sums.live_bytes.value, 4000);
}

// One block that is ten times as large as the distance of samples is known to a percent, and may be
// most of all.
TEST(RankedSites, AreKnownWithFewSamplesOfLargeBlocks) {
    TargetStacks stacks{.events = 10, .mean_bytes = 1000};
    add_stack(stacks, "small", 1, 1);
    add_stack(stacks, "large", 1, 1);
    stacks.sums.back().live_bytes = {10'000, 5000};
    add_stack(stacks, "medium", 1, 1);
    stacks.sums.back().live_bytes = {3000, 500'000};
    const auto ranked = rank_sites(stacks);
    EXPECT_EQ(names_of(ranked), (std::vector<std::string>{"large"}));
    EXPECT_TRUE(ranked.sites[0].by_live);
    EXPECT_FALSE(ranked.sites[0].by_bytes);
    EXPECT_EQ(ranked.few, 2U);
}

// An allocation is an allocation.
TEST(RankedSites, AreAllOfThemWhereEveryAllocationIsKnown) {
    TargetStacks stacks{.events = 10, .mean_bytes = 0};
    add_stack(stacks, "one", 1, 1);
    add_stack(stacks, "none", 0, 0);
    add_stack(stacks, "two", 2, 0);
    const auto ranked = rank_sites(stacks);
    EXPECT_EQ(names_of(ranked), (std::vector<std::string>{"two", "one", "none"}));
    EXPECT_EQ(ranked.few, 0U);
}

// Of a thousand places those that allocate most, and the others' only sums.
TEST(RankedSites, AreThoseThatHaveMost) {
    TargetStacks stacks{.events = 10, .mean_bytes = 1000};
    for (std::uint64_t i = 1; i <= 1000; ++i) add_stack(stacks, fmt::format("f{}", i), i, 1001 - i);
    const auto ranked = rank_sites(stacks);
    ASSERT_EQ(ranked.sites.size(), 40U);
    EXPECT_EQ(ranked.sites.front().site, "f1000");
    EXPECT_EQ(ranked.sites[19].site, "f981");
    EXPECT_EQ(ranked.sites[20].site, "f20");
    EXPECT_EQ(ranked.few, 0U);
}

}  // namespace
}  // namespace crucible::lab
