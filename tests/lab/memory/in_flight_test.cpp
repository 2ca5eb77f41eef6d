#include "lab/memory/in_flight.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "lab/memory/simulated_owners.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

/// A trial of bursts, the system of which had these peaks; all events were in flight at once.
MemoryTrial burst_trial(const Plan& plan, std::int64_t queue_peak, std::int64_t database_peak) {
    MemoryTrial trial;
    trial.trial.includes_clients = false;
    for (const auto& phase : plan.phases) {
        auto& driven = trial.trial.phases.emplace_back();
        driven.phase = phase;
        for (std::uint32_t client = 0; client < plan.clients; ++client)
            driven.clients.push_back({.client = client, .in_flight_max = phase.window});
        driven.delivery.sent = std::uint64_t{phase.window} * plan.clients;
        driven.delivery.handled = driven.delivery.sent;
    }
    ProcessCourse process{.pid = 2, .client = false, .quiet = {}, .anonymous_bytes = {}};
    for (std::size_t moment = 0; moment <= plan.phases.size(); ++moment) {
        process.quiet.push_back(snapshot({{"queue", {10, 10, 1000, 1000, queue_peak}},
                                          {"database-1", {10, 10, 50, 50, database_peak}}}));
        process.anonymous_bytes.push_back(4096);
    }
    trial.processes.push_back(std::move(process));
    return trial;
}

Plan plan_of(std::uint32_t clients) {
    Plan plan;
    plan.clients = clients;
    plan.phases = {steady_phase(*base::Rate::per_second(1000), 1000)};
    return plan;
}

MemoryFigures without_owners() {
    MemoryFigures figures;
    figures.events = 1000;
    figures.total.owner = "total";
    return figures;
}

/// What each of a pair of trials with these peaks makes of an owner.
MemoryFigures figures_of(const Plan& plan, std::int64_t few_peak, std::int64_t many_peak) {
    constexpr InFlightSizes kSizes{.few = 500, .many = 2000};
    auto figures = without_owners();
    const auto few =
        in_flight_figures(burst_trial(burst_plan(plan, kSizes, Burst::few), few_peak, 700));
    const auto many =
        in_flight_figures(burst_trial(burst_plan(plan, kSizes, Burst::many), many_peak, 700));
    add_peaks(figures, *few, *many);
    return figures;
}

// As many events in all, few or many of them at once; an event that has ended makes no room.
TEST(InFlight, BurstsAreOfAsManyEvents) {
    const Plan plan = plan_of(3);
    const InFlightSizes sizes{.few = 512, .many = 2048};
    const Plan few = burst_plan(plan, sizes, Burst::few);
    const Plan many = burst_plan(plan, sizes, Burst::many);
    ASSERT_EQ(few.phases.size(), 4U);
    ASSERT_EQ(many.phases.size(), 1U);
    EXPECT_EQ(few.phases[3].window, 170U);
    EXPECT_EQ(many.phases[0].window, 680U);
    for (const auto& phase : few.phases) {
        EXPECT_FALSE(phase.open_loop());
        EXPECT_GT(phase.think, 10min);
        EXPECT_EQ(phase.warmup, 0ns);
    }
    EXPECT_GE(few.drain_limit, 60s);
    EXPECT_EQ(few.workload.mix.text(), plan.workload.mix.text());
}

// 1,500 more events at once and 1.5 MB more at the peak: 1,000 bytes each, whatever is there
// without any event. What does not grow takes nothing.
TEST(InFlight, PeakGrowsWithEachFurtherEvent) {
    const auto figures = figures_of(plan_of(1), 800'000, 2'300'000);
    EXPECT_EQ(figures.why_no_peaks, "");
    EXPECT_EQ(figures.few_in_flight, 500);
    EXPECT_EQ(figures.many_in_flight, 2000);
    EXPECT_DOUBLE_EQ(figures.total.peak_per_event, 1000);
    ASSERT_EQ(figures.owners.size(), 2U);
    double sum = 0;
    for (const auto& owner : figures.owners) {
        sum += owner.peak_per_event;
        EXPECT_EQ(owner.place, "system");
        EXPECT_EQ(owner.peak_per_event, owner.owner == "queue" ? 1000 : 0);
    }
    EXPECT_DOUBLE_EQ(sum, figures.total.peak_per_event);
}

// The total is of the processes' own peaks: when the queue was fullest the database had not begun,
// so that what it takes for a burst is not in it.
TEST(InFlight, TotalIsOfThePeaksOfProcesses) {
    const Plan plan = plan_of(1);
    constexpr InFlightSizes kSizes{.few = 500, .many = 2000};
    const auto figures_with = [&](Burst burst, std::int64_t queue, std::int64_t database) {
        auto trial = burst_trial(burst_plan(plan, kSizes, burst), queue, database);
        for (auto& moment : trial.processes[0].quiet) moment.peak_live_bytes = queue;
        return *in_flight_figures(trial);
    };
    auto figures = without_owners();
    add_peaks(figures, figures_with(Burst::few, 800'000, 100'000),
              figures_with(Burst::many, 2'300'000, 550'000));
    EXPECT_DOUBLE_EQ(figures.total.peak_per_event, 1000);
    ASSERT_EQ(figures.owners.size(), 2U);
    for (const auto& owner : figures.owners)
        EXPECT_DOUBLE_EQ(owner.peak_per_event, owner.owner == "queue" ? 1000 : 300);
}

// A daemon that others run has had the large burst of an earlier trial: its peak says nothing of
// this one. Of clients that are none of the system that does not matter.
TEST(InFlight, SaysNothingOfAProcessThatRanBefore) {
    const Plan plan = burst_plan(plan_of(1), {.few = 500, .many = 2000}, Burst::few);
    auto trial = burst_trial(plan, 1000, 1000);
    trial.processes[0].ran_before = true;
    EXPECT_EQ(in_flight_figures(trial)->unfit,
              "process 2 ran before the bursts did: how high its peak was in them is not known");
    trial.processes.push_back(trial.processes[0]);
    trial.processes[0].client = true;
    trial.processes[1].ran_before = false;
    EXPECT_EQ(in_flight_figures(trial)->unfit, "");
}

// A system that calls its services in the publisher's own thread never has two events of one client
// at once: no peak is of them then.
TEST(InFlight, SaysWhereEventsDoNotPileUp) {
    const Plan plan = plan_of(2);
    const InFlightSizes sizes{.few = 500, .many = 2000};
    auto few = in_flight_figures(burst_trial(burst_plan(plan, sizes, Burst::few), 1, 1));
    auto many = in_flight_figures(burst_trial(burst_plan(plan, sizes, Burst::many), 1, 1));
    few->most = many->most = 2;
    auto figures = without_owners();
    add_peaks(figures, *few, *many);
    EXPECT_EQ(figures.why_no_peaks,
              "events did not pile up: at most 2 were in flight in small bursts, and 2 in a large "
              "one");
    EXPECT_EQ(figures.total.peak_per_event, 0);
}

// What was refused was never in the system.
TEST(InFlight, SaysWhereEventsWereNotTaken) {
    const Plan plan = burst_plan(plan_of(1), {.few = 500, .many = 2000}, Burst::many);
    auto trial = burst_trial(plan, 1000, 1000);
    trial.trial.phases[0].delivery.handled -= 7;
    trial.trial.phases[0].delivery.rejected = 4;
    trial.trial.phases[0].delivery.lost = 3;
    const auto refused = in_flight_figures(trial);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->unfit, "in bursts 7 of 2000 events were rejected or lost");
    trial.trial.phases[0].delivery = {.planned = 1900, .sent = 1900, .handled = 1900};
    EXPECT_EQ(in_flight_figures(trial)->unfit, "in bursts 1900 events were sent, and not 2000");

    const auto fit = in_flight_figures(burst_trial(plan, 1000, 1000));
    auto figures = without_owners();
    add_peaks(figures, *refused, *fit);
    EXPECT_EQ(figures.why_no_peaks, refused->unfit);
    trial.processes.clear();
    EXPECT_FALSE(in_flight_figures(trial));
}

}  // namespace
}  // namespace crucible::lab
