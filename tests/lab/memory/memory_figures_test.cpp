#include "lab/memory/memory_figures.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "lab/memory/simulated_owners.h"

namespace crucible::lab {
namespace {

MemoryTrial trial_of(std::uint64_t sent, bool includes_clients) {
    MemoryTrial trial;
    trial.trial.includes_clients = includes_clients;
    auto& phase = trial.trial.phases.emplace_back();
    phase.delivery.sent = sent;
    phase.throughput = 100;
    phase.payload_throughput = 51'200;
    return trial;
}

double value_named(const std::vector<MetricValue>& values, std::string_view name) {
    const auto found = std::ranges::find_if(
        values, [name](const MetricValue& value) { return value.info->name == name; });
    EXPECT_TRUE(found != values.end() && found->value) << name;
    return found == values.end() ? 0 : found->value.value_or(0);
}

// Of a client process the harness's own owners are not the system's; of both kinds of process what
// was allocated in the phase counts, and what was live before is in what is live.
TEST(MemoryFigures, AreThoseOfTheSystemAlone) {
    auto trial = trial_of(1000, true);
    trial.processes.push_back(
        {.pid = 1,
         .client = true,
         .quiet = {snapshot({{"other", {1, 0, 100, 0, 100}}, {"harness", {5, 0, 5000, 0, 5000}}}),
                   snapshot({{"other", {1, 0, 100, 0, 100}},
                             {"harness", {50, 5, 9000, 500, 9000}},
                             {"client stub", {2000, 1990, 64'000, 63'000, 2000}}})},
         .anonymous_bytes = {0, 20'000}});
    trial.processes.push_back(
        {.pid = 2,
         .client = false,
         .quiet = {snapshot({{"other", {10, 0, 1000, 0, 1000}}}),
                   snapshot({{"other", {10, 0, 1000, 0, 1000}},
                             {"database-1", {3000, 3000, 300'000, 300'000, 4000}}})},
         .anonymous_bytes = {0, 5'000}});

    const auto figures = memory_figures(trial, 0);
    ASSERT_TRUE(figures);
    EXPECT_TRUE(figures->conserved.passed) << figures->conserved.detail;
    EXPECT_EQ(figures->total.live_bytes, 100 + 1000 + 1000 + 0);
    EXPECT_EQ(figures->harness_live_bytes, 8500);
    EXPECT_EQ(figures->total.allocations, 5000);
    EXPECT_EQ(figures->total.peak_bytes, 100 + 2000 + 1000 + 4000);
    EXPECT_EQ(harness_live_bytes(trial.processes[0].quiet[1]), 8500);
    ASSERT_EQ(figures->owners.size(), 4U);
    EXPECT_EQ(figures->owners[1].place + "/" + figures->owners[1].owner, "client/process");

    const auto values = allocation_values(*figures);
    EXPECT_DOUBLE_EQ(value_named(values, "allocations_per_event"), 5);
    EXPECT_DOUBLE_EQ(value_named(values, "allocated_bytes_per_event"), 364);
    EXPECT_DOUBLE_EQ(value_named(values, "freed_share"), 363'000.0 / 364'000);
    EXPECT_DOUBLE_EQ(value_named(values, "payload_per_live_peak"), 512'000.0 / 7100);
    // Nothing says what events in flight take: that is no zero.
    EXPECT_EQ(values[4].info->name, "peak_live_bytes_per_event");
    EXPECT_FALSE(values[4].value);
    EXPECT_EQ(values[4].absent, "events in flight were not varied");
    EXPECT_DOUBLE_EQ(value_named(values, "fragmentation"), 25'000.0 / (1000 + 100 + 8500 + 1000));
}

// The queue was empty when the store had most: neither process ever held what both had at their
// peaks. Of a client it is the peak without the measurement's own owners, of a process of the
// system that of all.
TEST(MemoryFigures, HaveThePeaksOfProcessesNotOfOwners) {
    auto trial = trial_of(1000, true);
    for (const bool client : {true, false}) {
        auto after = snapshot({{"queue", {9, 9, 900, 900, 600}}, {"store", {9, 9, 900, 900, 500}}});
        after.peak_live_bytes = client ? 9000 : 800;
        after.rest_peak_live_bytes = client ? 700 : 10;
        trial.processes.push_back({.pid = client ? 1 : 2,
                                   .client = client,
                                   .quiet = {snapshot({}), after},
                                   .anonymous_bytes = {0, 0}});
    }
    const auto figures = memory_figures(trial, 0);
    ASSERT_TRUE(figures);
    // Owners need not add up to it, as they have to in what is live.
    EXPECT_TRUE(figures->conserved.passed) << figures->conserved.detail;
    EXPECT_EQ(figures->total.peak_bytes, 700 + 800);
    ASSERT_EQ(figures->owners.size(), 4U);
    double owned = 0;
    for (const auto& owner : figures->owners) owned += owner.peak_bytes;
    EXPECT_EQ(owned, 2 * (600 + 500));
    const auto values = allocation_values(*figures);
    EXPECT_EQ(value_named(values, "live_bytes_peak"), 1500);
    EXPECT_DOUBLE_EQ(value_named(values, "payload_per_live_peak"), 512'000.0 / 1500);
}

// They depend on how long the load is, and at what rate, where what is live does not grow with it.
TEST(MemoryFigures, OfEventsInFlightDoNotDecide) {
    int found = 0;
    for (const auto& info : allocation_metrics()) {
        if (info.name == "payload_per_live_peak" || info.name == "peak_live_bytes_per_event") {
            ++found;
            EXPECT_FALSE(info.gated) << info.name;
        }
    }
    EXPECT_EQ(found, 2);
}

TEST(MemoryFigures, OfAServersClientsAreNotTheSystems) {
    auto trial = trial_of(10, false);
    trial.processes.push_back({.pid = 1,
                               .client = true,
                               .quiet = {snapshot({}), snapshot({{"other", {1, 0, 1, 0, 1}}})},
                               .anonymous_bytes = {0, 0}});
    EXPECT_FALSE(memory_figures(trial, 0));
}

TEST(MemoryFigures, DoNotAddUpWhereSomethingIsMissing) {
    auto trial = trial_of(10, true);
    auto after = snapshot({{"queue", {10, 0, 100, 0, 100}}});
    after.total.bytes += 8;
    after.total.allocations += 1;
    trial.processes.push_back(
        {.pid = 1, .client = false, .quiet = {snapshot({}), after}, .anonymous_bytes = {0, 0}});
    const auto figures = memory_figures(trial, 0);
    ASSERT_TRUE(figures);
    EXPECT_FALSE(figures->conserved.passed);
    EXPECT_EQ(figures->conserved.detail,
              "process 7: 100 bytes live by owner, 100 by thread, 108 in all");

    trial.processes.front().quiet[1] = snapshot({{"queue", {10, 0, 100, 0, 100}}});
    trial.processes.front().quiet[1].uncounted = 3;
    EXPECT_EQ(memory_figures(trial, 0)->conserved.detail,
              "3 allocations of process 7 are not counted, for want of shared memory");

    auto& kept = trial.processes.front().quiet[1];
    kept = snapshot({{"queue", {10, 0, 100, 0, 100}}});
    kept.kept_live_bytes = 1125;
    kept.kept_error_bytes = 1024;
    EXPECT_EQ(memory_figures(trial, 0)->conserved.detail,
              "process 7: 100 bytes live by its rows, but 1125 as it keeps them itself, which may "
              "be 1024 apart");
    kept.kept_live_bytes = 1124;
    EXPECT_TRUE(memory_figures(trial, 0)->conserved.passed);
}

// The live peak of a client process is of the owners that are not set apart, and rests on what the
// tracker keeps of these.
TEST(MemoryFigures, DoNotAddUpWhereTheRestIsNotWhatItsOwnersHave) {
    auto trial = trial_of(10, true);
    const auto client =
        snapshot({{"client stub", {10, 0, 100, 0, 100}}, {"harness", {9, 0, 9000, 0, 9000}}});
    trial.processes.push_back(
        {.pid = 7, .client = true, .quiet = {snapshot({}), client}, .anonymous_bytes = {0, 0}});
    auto& after = trial.processes.front().quiet[1];
    after.kept_error_bytes = 1024;
    after.rest_kept_live_bytes = 100 + 1024;
    EXPECT_TRUE(memory_figures(trial, 0)->conserved.passed);
    after.rest_kept_live_bytes = 100 + 1025;
    const auto figures = memory_figures(trial, 0);
    EXPECT_FALSE(figures->conserved.passed);
    EXPECT_EQ(
        figures->conserved.detail,
        "process 7: 100 bytes live of the owners that are not set apart by its rows, but 1125 "
        "as it keeps them itself, which may be 1024 apart");

    // Where nobody is apart there is nothing but the whole.
    trial.processes.front().client = false;
    after = snapshot({{"queue", {10, 0, 100, 0, 100}}});
    after.rest_kept_live_bytes = 5000;
    EXPECT_TRUE(memory_figures(trial, 0)->conserved.passed);
}

// Set apart too late, or by a tracker that knows nothing of it: then the peak is not the system's.
// An owner that has allocated nothing is in no peak, and in a process of the system one of that
// name is its own.
TEST(MemoryFigures, DoNotAddUpWhereTheHarnessIsNotApart) {
    auto trial = trial_of(10, true);
    auto client = snapshot({{"client stub", {10, 0, 100, 0, 100}},
                            {"workload", {0, 0, 0, 0, 0}},
                            {"harness", {9, 0, 9000, 0, 9000}}});
    client.owners[1].apart = false;
    trial.processes.push_back(
        {.pid = 7, .client = true, .quiet = {snapshot({}), client}, .anonymous_bytes = {0, 0}});
    auto& process = trial.processes.front();
    EXPECT_TRUE(memory_figures(trial, 0)->conserved.passed);
    process.quiet[1].owners[2].apart = false;
    const auto figures = memory_figures(trial, 0);
    EXPECT_FALSE(figures->conserved.passed);
    EXPECT_EQ(
        figures->conserved.detail,
        "process 7: what \"harness\" allocated there is not set apart, and in the peak of the "
        "system");
    process.client = false;
    EXPECT_TRUE(memory_figures(trial, 0)->conserved.passed)
        << memory_figures(trial, 0)->conserved.detail;
}

// A system that refuses most events at once allocates less for each of those that were sent, and is
// no better for it. What it holds is known.
TEST(MemoryFigures, SayNothingOfAnEventWhereManyWereRefused) {
    auto trial = trial_of(1000, false);
    trial.processes.push_back(
        {.pid = 2,
         .client = false,
         .quiet = {snapshot({}), snapshot({{"queue", {400, 390, 4000, 3900, 1000}}})},
         .anonymous_bytes = {0, 4096}});
    const auto values_with = [&trial](std::uint64_t rejected, std::uint64_t lost) {
        auto& delivery = trial.trial.phases[0].delivery;
        delivery = {.sent = 1000, .rejected = rejected, .lost = lost};
        delivery.handled = 1000 - rejected - lost;
        return *memory_figures(trial, 0);
    };
    const auto figures = values_with(597, 3);
    const auto values = allocation_values(figures);
    for (const auto& value : values) {
        const bool of_events =
            value.info->name.ends_with("_per_event") || value.info->name.starts_with("payload_");
        if (value.info->name == "peak_live_bytes_per_event") continue;
        EXPECT_NE(value.value.has_value(), of_events) << value.info->name;
        EXPECT_EQ(value.absent, of_events ? "600 of 1000 events were rejected or lost" : "")
            << value.info->name;
    }
    const auto parts = part_values(figures.owners.at(0), figures);
    EXPECT_EQ(parts[0].absent, "600 of 1000 events were rejected or lost");
    EXPECT_FALSE(parts[1].value);
    EXPECT_EQ(parts[2].value, 100);
    EXPECT_DOUBLE_EQ(value_named(allocation_values(values_with(10, 0)), "allocations_per_event"),
                     0.4);
    EXPECT_FALSE(allocation_values(values_with(10, 1))[0].value);
}

}  // namespace
}  // namespace crucible::lab
