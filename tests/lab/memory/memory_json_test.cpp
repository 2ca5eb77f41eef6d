#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "lab/memory/memory_profile.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

/// 1,000 events, each with an allocation of the queue.
MemoryFigures some_figures() {
    MemoryFigures figures;
    figures.events = 1000;
    figures.why_no_peaks.clear();
    figures.owners = {{.place = "system",
                       .owner = "queue",
                       .allocations = 1000,
                       .bytes = 64'000,
                       .frees = 1000,
                       .freed_bytes = 64'000,
                       .live_bytes = 640,
                       .live_blocks = 10,
                       .peak_bytes = 6400,
                       .peak_per_event = 64}};
    figures.total = figures.owners.front();
    return figures;
}

/// Of one target with two clients, over as many rounds.
MemoryProfile profile_of(const std::vector<MemoryFigures>& rounds) {
    MemoryProfile profile;
    profile.clients = 2;
    auto& target = profile.targets.emplace_back();
    target.target = "a:";
    auto& cell = target.cells[2];
    for (const auto& figures : rounds) {
        cell.rounds.push_back(static_cast<std::uint32_t>(cell.rounds.size()));
        cell.metrics.push_back(allocation_values(figures));
        cell.figures.push_back(figures);
    }
    return profile;
}

json target_of(const MemoryProfile& profile) {
    return memory_json({}, {}, profile).at("targets").at(0);
}

// A round that could not be counted is an extreme one: what is told beside a metric without a value
// has none either.
TEST(MemoryJson, TellsPartsWhereAllRoundsHaveThem) {
    auto profile = profile_of({some_figures(), some_figures()});
    const auto whole = target_of(profile);
    ASSERT_EQ(whole.at("owners").size(), 1U);
    EXPECT_EQ(whole.at("owners")[0].at("live_bytes").at("n"), 2);
    EXPECT_EQ(whole.at("stages").size(), 7U);
    EXPECT_FALSE(whole.at("in_flight").is_null());

    auto& target = profile.targets[0];
    target.cells[2].figures.pop_back();
    target.cells[2].lifetimes.emplace_back();
    target.alone[Category::database] = {.figures = {some_figures()},
                                        .why_not_all = "process 7: it is a static program"};
    target.alone[Category::mcp] = {.figures = {some_figures()}, .why_not_all = {}};
    const auto lacking = target_of(profile);
    for (const auto* rows : {"owners", "stages", "sizes", "threads", "lifetimes"})
        EXPECT_EQ(lacking.at(rows).size(), 0U) << rows;
    EXPECT_TRUE(lacking.at("in_flight").is_null());
    EXPECT_EQ(lacking.at("by_clients")[0].at("owners").size(), 0U);
    const auto& database = lacking.at("categories")[0];
    EXPECT_EQ(database.at("category"), "database");
    EXPECT_EQ(database.at("rounds"), 0);
    EXPECT_TRUE(database.at("live_bytes").at("value").is_null());
    EXPECT_EQ(database.at("metrics")[0].at("absent"), "process 7: it is a static program");
    EXPECT_EQ(lacking.at("categories")[1].at("live_bytes").at("value"), 640);
}

// What is in no figure stands beside what could not be counted.
TEST(MemoryJson, TellsWhatIsOutsideOfTheSystem) {
    auto profile = profile_of({some_figures()});
    profile.targets[0].missing = {"process 7: it is a static program"};
    profile.targets[0].outside = {"its clients: …"};
    EXPECT_EQ(target_of(profile).at("missing"),
              json({"process 7: it is a static program", "its clients: …"}));
}

// What the tool itself holds while it watches, here and in the client processes.
TEST(MemoryJson, TellsWhatTheWatchHoldsItself) {
    auto profile = profile_of({some_figures()});
    profile.targets[0].leak = LeakWatch{};
    profile.targets[0].leak->own_bytes = {100, 300, 200};
    profile.targets[0].leak->worker_bytes = {10, 20, 30};
    auto leak = target_of(profile).at("leak");
    EXPECT_EQ(leak.at("own_memory"), json({{"first", 100.0}, {"last", 200.0}, {"peak", 300.0}}));
    EXPECT_EQ(leak.at("worker_memory"), json({{"first", 10.0}, {"last", 30.0}, {"peak", 30.0}}));
    profile.targets[0].leak->worker_bytes.clear();
    leak = target_of(profile).at("leak");
    EXPECT_TRUE(leak.at("worker_memory").is_null());
}

// Beside figures per event stands what became of the events; of a part there are none where the
// whole has none.
TEST(MemoryJson, TellsWhatBecameOfTheEvents) {
    auto refusing = some_figures();
    refusing.why_no_per_event = "600 of 1000 events were rejected or lost";
    auto profile = profile_of({some_figures(), refusing});
    profile.targets[0].deliveries[2] = {.sent = 2000, .handled = 1400, .rejected = 600};
    const auto target = target_of(profile);
    EXPECT_EQ(target.at("delivery").at("rejected"), 600);
    EXPECT_EQ(target.at("by_clients")[0].at("delivery").at("sent"), 2000);
    EXPECT_EQ(target.at("metrics")[0].at("absent"), refusing.why_no_per_event);
    const auto& queue = target.at("owners").at(0);
    for (const auto* figure : {"allocations_per_event", "bytes_per_event", "grown_per_event"})
        EXPECT_TRUE(queue.at(figure).at("value").is_null()) << figure;
    EXPECT_EQ(queue.at("live_bytes").at("value"), 640);
    EXPECT_EQ(queue.at("peak_bytes_per_event").at("value"), 64);
}

// By size class and by thread, over rounds: in one in which it did not occur it has nothing.
TEST(MemoryJson, TellsSizesAndThreads) {
    auto both = some_figures();
    both.sizes = {{.usable_from = 24, .usable_to = 24, .allocations = 1000, .live_blocks = 4},
                  {.usable_from = 1 << 20,
                   .usable_to = std::numeric_limits<std::size_t>::max(),
                   .allocations = 200}};
    both.threads = {{.place = "system",
                     .name = "worker",
                     .threads = 2,
                     .allocations = 500,
                     .bytes = 32'000,
                     .freed_bytes = 8000}};
    auto one = some_figures();
    one.sizes = {both.sizes[0]};
    const auto target = target_of(profile_of({both, one}));
    const auto& sizes = target.at("sizes");
    ASSERT_EQ(sizes.size(), 2U);
    EXPECT_EQ(sizes[0].at("usable_bytes_from"), 24);
    EXPECT_EQ(sizes[0].at("usable_bytes_to"), 24);
    EXPECT_EQ(sizes[0].at("allocations_per_event").at("value"), 1);
    EXPECT_EQ(sizes[0].at("allocations_per_event").at("n"), 2);
    EXPECT_EQ(sizes[0].at("usable_bytes_per_event").at("value"), 24);
    EXPECT_EQ(sizes[0].at("live_blocks").at("value"), 4);
    EXPECT_TRUE(sizes[1].at("usable_bytes_to").is_null());
    EXPECT_EQ(sizes[1].at("allocations_per_event").at("value"), 0.1);
    const auto& worker = target.at("threads").at(0);
    EXPECT_EQ(worker.at("thread"), "worker");
    EXPECT_EQ(worker.at("threads").at("value"), 1);
    EXPECT_EQ(worker.at("bytes_per_event").at("value"), 16);
    EXPECT_EQ(worker.at("freed_bytes_per_event").at("value"), 4);

    one.why_no_per_event = "600 of 1000 events were rejected or lost";
    const auto refusing = target_of(profile_of({both, one}));
    EXPECT_TRUE(refusing.at("sizes")[0].at("allocations_per_event").at("value").is_null());
    EXPECT_EQ(refusing.at("sizes")[0].at("live_blocks").at("value"), 4);
    EXPECT_TRUE(refusing.at("threads")[0].at("bytes_per_event").at("value").is_null());
}

/// One place with so many samples, each of 1,000 bytes, of which one is live.
TargetStacks stacks_with(std::uint64_t samples, std::uint64_t mean_bytes) {
    TargetStacks stacks{.events = 100, .mean_bytes = mean_bytes};
    stacks.profile.samples.push_back({.stack = {0}, .owner = "system: queue"});
    stacks.profile.samples.back().values = {0, 0, 0, 0, 0};
    stacks.profile.locations.push_back({.frames = {{.function = "push"}}});
    auto& sums = stacks.sums.emplace_back();
    const auto n = static_cast<double>(samples);
    sums.samples = samples;
    sums.live_samples = 1;
    sums.allocations = {n, n};
    sums.bytes = {1000 * n, 1e6 * n};
    sums.live_blocks = {1, 1};
    sums.live_bytes = {1000, 1e6};
    return stacks;
}

// Sampled places have their intervals and samples, or are told of in one line; where every
// allocation has its stack nothing is estimated.
TEST(MemoryJson, TellsHowFarOffSampledStacksMayBe) {
    auto profile = profile_of({some_figures()});
    const auto stacks_of = [&](std::uint64_t samples, std::uint64_t mean_bytes) {
        profile.targets[0].stacks = stacks_with(samples, mean_bytes);
        return target_of(profile).at("stacks");
    };
    const auto sampled = stacks_of(5, 1000);
    EXPECT_EQ(sampled.at("exact"), false);
    EXPECT_EQ(sampled.at("ranked_from_samples"), 5);
    EXPECT_TRUE(sampled.at("few_samples").is_null());
    const auto& site = sampled.at("sites").at(0);
    EXPECT_EQ(site.at("samples"), 5);
    EXPECT_EQ(site.at("live_samples"), 1);
    // Wilson's interval for a count of five, and of one.
    const auto& bytes = site.at("bytes_per_event");
    EXPECT_EQ(bytes.at("value"), 50);
    EXPECT_NEAR(bytes.at("ci_low"), 21.36, 0.01);
    EXPECT_NEAR(bytes.at("ci_high"), 117.06, 0.01);
    // Of blocks there is none: small ones may be missing beside large ones.
    EXPECT_EQ(site.at("allocations_per_event"), 0.05);
    EXPECT_EQ(site.at("live_blocks"), 1);
    EXPECT_NEAR(site.at("live_bytes").at("ci_low"), 176.5, 0.1);
    EXPECT_NEAR(site.at("live_bytes").at("ci_high"), 5664.9, 0.1);

    const auto few = stacks_of(4, 1000);
    EXPECT_EQ(few.at("sites").size(), 0U);
    EXPECT_EQ(few.at("sites_in_all"), 1);
    EXPECT_EQ(few.at("few_samples").at("sites"), 1);
    EXPECT_EQ(few.at("few_samples").at("samples"), 4);
    EXPECT_EQ(few.at("few_samples").at("bytes_per_event"), 40);
    EXPECT_EQ(few.at("few_samples").at("live_bytes"), 1000);

    const auto exact = stacks_of(4, 0);
    EXPECT_EQ(exact.at("exact"), true);
    EXPECT_EQ(exact.at("sites").at(0).at("bytes_per_event").at("value"), 40);
    EXPECT_TRUE(exact.at("sites").at(0).at("bytes_per_event").at("ci_low").is_null());
}

// Where a process has no stacks nothing is exact, and nobody knows how far off it is.
TEST(MemoryJson, TellsNothingExactOfSomeProcesses) {
    auto profile = profile_of({some_figures()});
    for (const std::uint64_t mean_bytes : {0, 1000}) {
        auto& stacks = profile.targets[0].stacks;
        stacks = stacks_with(5, mean_bytes);
        stacks->whole = false;
        const auto told = target_of(profile).at("stacks");
        EXPECT_EQ(told.at("exact"), false);
        const auto& bytes = told.at("sites").at(0).at("bytes_per_event");
        EXPECT_EQ(bytes.at("value"), 50);
        EXPECT_TRUE(bytes.at("ci_low").is_null());
        EXPECT_TRUE(bytes.at("ci_high").is_null());
    }
}

}  // namespace
}  // namespace crucible::lab
