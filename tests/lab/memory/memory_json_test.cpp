#include <gtest/gtest.h>

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
    for (const auto* rows : {"owners", "stages", "lifetimes"})
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

}  // namespace
}  // namespace crucible::lab
