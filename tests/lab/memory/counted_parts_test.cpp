#include "lab/memory/counted_parts.h"

#include <gtest/gtest.h>

#include "lab/memory/memory_figures.h"
#include "lab/memory/simulated_owners.h"

namespace crucible::lab {
namespace {

/// Counts of blocks of 100 requested bytes each.
alloc::Counts blocks(std::uint64_t allocations, std::uint64_t frees) {
    return {allocations, frees, allocations * 100, frees * 100, allocations * 104, frees * 104};
}

/// A client process and a system's, before a phase and after it.
MemoryTrial two_processes(bool includes_clients) {
    MemoryTrial trial;
    trial.trial.includes_clients = includes_clients;
    trial.trial.phases.emplace_back().delivery.sent = 10;
    ProcessCourse client{.pid = 1, .client = true};
    client.quiet = {snapshot({{"harness", {5, 0, 500, 0, 500}}, {"client stub", {}}}),
                    snapshot({{"harness", {95, 0, 9500, 0, 9500}},
                              {"client stub", {20, 15, 2000, 1500, 500}}})};
    for (auto& moment : client.quiet) moment.threads[0].name = "load-0";
    ProcessCourse system{.pid = 2, .client = false};
    system.quiet = {snapshot({{"queue", {}}}), snapshot({{"queue", {}}})};
    auto& before = system.quiet[0];
    before.owners[0].classes = {{24, 6, 2, 24}, {2024, 1, 0, 2520}};
    before.threads = {{.tid = 2, .served = 1, .name = "main", .counts = {}},
                      {.tid = 3, .served = 1, .name = "worker-0", .counts = {}}};
    before.rows = {{0, 0, blocks(7, 2)}, {0, 1, {}}};
    auto& after = system.quiet[1];
    after.owners[0].classes = {{24, 26, 20, 24}, {40, 30, 30, 40}, {2024, 1, 1, 2520}};
    // worker-0 has ended, and another thread has its place; main has done nothing.
    after.threads = {{.tid = 2, .served = 1, .name = "main", .counts = {}},
                     {.tid = 0, .served = 2, .name = "worker-0", .counts = {}},
                     {.tid = 5, .served = 1, .name = "worker-1", .counts = {}}};
    after.rows = {{0, 0, blocks(7, 2)}, {0, 1, blocks(50, 4)}, {0, 2, blocks(0, 45)}};
    trial.processes = {client, system};
    return trial;
}

// Without the harness's, those of the same size class in all processes together; what was there
// before the phase is in what is live alone.
TEST(SizeFigures, AreOfThePhaseAndTheSystem) {
    const auto sizes = size_figures(two_processes(true), 0);
    ASSERT_EQ(sizes.size(), 4U);
    EXPECT_EQ(sizes[0].usable_from, 8U);
    EXPECT_EQ(sizes[0].allocations, 20);
    EXPECT_EQ(sizes[0].live_blocks, 5);
    EXPECT_EQ(sizes[1].usable_from, 24U);
    EXPECT_EQ(sizes[1].allocations, 20);
    EXPECT_EQ(sizes[1].live_blocks, 6);
    EXPECT_EQ(sizes[3].usable_to, 2520U);
    EXPECT_EQ(sizes[3].allocations, 0);
    // A server's clients are not the system's.
    EXPECT_EQ(size_figures(two_processes(false), 0).size(), 3U);
    EXPECT_TRUE(size_figures(two_processes(true), 1).empty());
}

// Threads of one name are told together; what one frees of another's is its own doing.
TEST(ThreadFigures, AreOfThePhaseAndTheSystem) {
    const auto threads = thread_figures(two_processes(true), 0);
    ASSERT_EQ(threads.size(), 2U);
    EXPECT_EQ(threads[0].place + "/" + threads[0].name, "client/load");
    EXPECT_EQ(threads[0].threads, 1);
    EXPECT_EQ(threads[0].allocations, 20);
    EXPECT_EQ(threads[0].bytes, 2000);
    EXPECT_EQ(threads[1].place + "/" + threads[1].name, "system/worker");
    EXPECT_EQ(threads[1].threads, 3);
    EXPECT_EQ(threads[1].allocations, 50);
    EXPECT_EQ(threads[1].freed_bytes, 4900);
    EXPECT_EQ(thread_figures(two_processes(false), 0).size(), 1U);
}

// Three divisions of the same allocations.
TEST(ThreadFigures, AndSizesAddUpToTheOwners) {
    MemoryTrial trial = two_processes(true);
    trial.processes.pop_back();
    trial.processes[0].anonymous_bytes = {0, 4096};
    const auto figures = memory_figures(trial, 0);
    ASSERT_TRUE(figures);
    ASSERT_EQ(figures->sizes.size(), 1U);
    ASSERT_EQ(figures->threads.size(), 1U);
    EXPECT_EQ(figures->sizes[0].allocations, figures->total.allocations);
    EXPECT_EQ(figures->sizes[0].live_blocks, figures->total.live_blocks);
    EXPECT_EQ(figures->threads[0].bytes, figures->total.bytes);
}

TEST(ThreadGroup, HasNoNumbers) {
    EXPECT_EQ(thread_group("worker-12"), "worker");
    EXPECT_EQ(thread_group("io:3"), "io");
    EXPECT_EQ(thread_group("kworker/0:1"), "kworker");
    EXPECT_EQ(thread_group("load # 7"), "load");
    EXPECT_EQ(thread_group("timer"), "timer");
    // Part of a word, or no word beside it.
    EXPECT_EQ(thread_group("python3"), "python3");
    EXPECT_EQ(thread_group("42"), "42");
    EXPECT_EQ(thread_group("-42"), "-42");
    EXPECT_EQ(thread_group("worker-"), "worker-");
    EXPECT_EQ(thread_group(""), "unnamed");
}

}  // namespace
}  // namespace crucible::lab
