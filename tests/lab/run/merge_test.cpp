#include "lab/run/merge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>

#include "lab/run/checks.h"
#include "trials.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

/// One client of `window` without warm-up whose backlog at time t (seconds) is given.
ClientPhase client(std::uint64_t due, std::uint64_t completed, Duration window,
                   const std::function<double(double)>& backlog) {
    ClientPhase result;
    result.due_in_window = due;
    result.completed_in_window = completed;
    result.window = window;
    for (Duration at{}; at < window; at += kBacklogInterval) {
        const double value = backlog(std::chrono::duration<double>(at).count());
        result.backlog.push_back(static_cast<std::uint64_t>(std::max(value, 0.0)));
    }
    return result;
}

bool saturated(double rate, const ClientPhase& phase) {
    return judge_saturation(steady(rate, phase.due_in_window), {phase}).saturated;
}

// Twice the load that the system can take: the backlog grows by 1,000 every second. Seen in a run
// of 10 s and of 1 s.
TEST(Saturation, SeesALoadAboveCapacity) {
    const auto grows = [](double t) { return 1000 * t; };
    EXPECT_TRUE(saturated(2000, client(20'000, 10'000, 10s, grows)));
    EXPECT_TRUE(saturated(2000, client(2'000, 1'000, 1s, grows)));
    // 10 % too much is too much.
    EXPECT_TRUE(saturated(1100, client(11'000, 10'000, 10s, [](double t) { return 100 * t; })));
}

// A server stopped for 200 ms once in 10 s at 5,000/s, wherever: everything due is late and comes.
TEST(Saturation, StallIsNotSaturation) {
    for (const double at : {0.0, 3.0, 6.0, 8.5, 9.5, 9.8}) {
        const auto stalled = [at](double t) {
            if (t < at || t >= at + 0.4) return 2.0;
            return t < at + 0.2 ? 5000 * (t - at) : 5000 * (at + 0.4 - t);
        };
        const std::uint64_t unfinished = at > 9.7 ? 1000 : 0;
        EXPECT_FALSE(saturated(5000, client(50'000, 50'000 - unfinished, 10s, stalled))) << at;
    }
}

// Nor at the very end of a short run, where a third of the events is still waiting: there was no
// growth before it.
TEST(Saturation, StallAtTheEndOfAShortRunIsNotSaturation) {
    const auto stalled = [](double t) { return t < 0.7 ? 2.0 : 5000 * (t - 0.7); };
    EXPECT_FALSE(saturated(5000, client(5'000, 3'500, 1s, stalled)));
}

// Filling the pipe of a slow but sufficient system at the start is no growth afterwards: 100 ms of
// latency at 1,000/s leave 100 of 1,000 events unfinished after 1 s.
TEST(Saturation, LatencyIsNotSaturation) {
    const auto fills = [](double t) { return std::min(1000 * t, 100.0); };
    EXPECT_FALSE(saturated(1000, client(1'000, 900, 1s, fills)));
}

// A bounded queue that refuses the rest has a steady backlog: its error rate tells.
TEST(Saturation, RefusalIsNotSaturation) {
    EXPECT_FALSE(saturated(2000, client(20'000, 10'000, 10s, [](double) { return 100.0; })));
}

// Bursts of a Poisson load below capacity come and go.
TEST(Saturation, BurstsAreNotSaturation) {
    const auto bursts = [](double t) { return std::fmod(t * 7, 1.0) < 0.3 ? 12.0 : 1.0; };
    EXPECT_FALSE(saturated(100, client(100, 98, 1s, bursts)));
    EXPECT_FALSE(saturated(100, client(100, 95, 1s, bursts)));
}

// Too short to tell is said, not guessed; and closed loop has nothing to fall behind of.
TEST(Saturation, IsNotJudgedWithoutEvidence) {
    const auto brief = client(400, 200, 200ms, [](double t) { return 1000 * t; });
    const auto judged = judge_saturation(steady(2000, 400), {brief});
    EXPECT_FALSE(judged.judged);
    EXPECT_FALSE(judged.saturated);
    EXPECT_FALSE(judge_saturation(maximum_phase(10s), {brief}).judged);
    // A backlog that grows with a rate that grows is no sign about any one rate.
    Phase ramp{.name = "ramp", .pattern = *Pattern::parse("ramp:0,1000,2s")};
    const auto growing = client(1000, 500, 2s, [](double t) { return 250 * t; });
    EXPECT_FALSE(judge_saturation(ramp, {growing}).judged);
    ramp.pattern = *Pattern::parse("steady:500,2s");
    EXPECT_TRUE(judge_saturation(ramp, {growing}).saturated);
}

// Figures of all clients together: counts add up, histograms merge, rates add up.
TEST(MergePhase, AddsUpTheClients) {
    ClientPhase a;
    a.client = 0;
    a.delivery = {.planned = 100, .sent = 100, .handled = 100};
    a.latency.record(1ms);
    a.completed = 90;
    a.completed_in_window = 80;
    a.window = 2s;
    a.payload_bytes = 100 * 1000;
    ClientPhase b = a;
    b.client = 1;
    b.latency.record(3ms);
    b.completed_in_window = 60;
    b.payload_bytes = 100 * 2000;
    const auto merged = merge_phase(steady(100, 200), {a, b});
    EXPECT_EQ(merged.delivery.sent, 200u);
    EXPECT_EQ(merged.latency.count(), 3u);
    EXPECT_EQ(merged.latency.max(), 3ms);
    EXPECT_EQ(merged.completed, 180u);
    EXPECT_DOUBLE_EQ(merged.throughput, 70.0);
    EXPECT_DOUBLE_EQ(merged.payload_throughput, 70.0 * 1500);
    ASSERT_EQ(merged.clients.size(), 2u);
    EXPECT_EQ(merged.clients[1].latency.count(), 0u);
}

Check check_of(const PhaseResult& phase, std::string_view name) {
    const auto checks = trial_checks({phase});
    const auto found = std::ranges::find(checks, name, &Check::name);
    EXPECT_NE(found, checks.end()) << name;
    return *found;
}

PhaseResult good() {
    ClientPhase one = client(1000, 1000, 1s, [](double) { return 1.0; });
    one.delivery = {.planned = 1000, .sent = 1000, .handled = 1000};
    one.in_flight_time = 5s;
    one.service_time_total = 5s;
    for (int i = 0; i < 1000; ++i) {
        one.latency.record(5ms);
        one.service_time.record(5ms);
        one.lateness.record(50us);
        one.own_lateness.record(50us);
    }
    return merge_phase(steady(1000, 1000), {one});
}

bool valid_with(const PhaseResult& phase) {
    TrialResult result;
    result.checks = trial_checks({phase});
    return result.valid();
}

TEST(TrialChecks, AllPassOnAGoodTrial) {
    for (const auto& check : trial_checks({good()})) EXPECT_TRUE(check.passed) << check.name;
    EXPECT_EQ(check_of(good(), "conservation").detail,
              "1,000 sent = 1,000 handled + 0 rejected + 0 lost");
    EXPECT_TRUE(valid_with(good()));
}

// An injector behind its schedule has not offered the load: the trial is invalid, not slow.
TEST(TrialChecks, LateInjectorInvalidates) {
    auto phase = good();
    for (int i = 0; i < 20; ++i) {
        phase.lateness.record(8ms);
        phase.own_lateness.record(8ms);
    }
    const auto check = check_of(phase, "schedule_kept");
    EXPECT_FALSE(check.passed);
    EXPECT_NE(check.detail.find("more --clients"), std::string::npos) << check.detail;
    EXPECT_FALSE(valid_with(phase));
}

// Late by the target's own blocking is a result: the latencies, counted from due, have it.
TEST(TrialChecks, BlockingTargetDoesNotInvalidate) {
    auto phase = good();
    for (int i = 0; i < 20; ++i) {
        phase.lateness.record(8ms);
        phase.own_lateness.record(50us);
    }
    EXPECT_TRUE(check_of(phase, "schedule_kept").passed);
    EXPECT_TRUE(valid_with(phase));
}

// A saturated target that blocks its callers keeps the cores busy too: what the injector adds to a
// lateness of seconds does not matter, unless it is a good part of it.
TEST(TrialChecks, SaturatedTargetMayDelayTheInjectorALittle) {
    auto overloaded = client(2000, 1000, 1s, [](double t) { return 1000 * t; });
    for (int i = 0; i < 100; ++i) {
        overloaded.lateness.record(400ms);
        overloaded.own_lateness.record(19ms);
    }
    auto phase = merge_phase(steady(2000, 2000), {overloaded});
    EXPECT_TRUE(check_of(phase, "schedule_kept").passed);
    phase.own_lateness.record(21ms);
    phase.own_lateness.record(21ms);
    EXPECT_FALSE(check_of(phase, "schedule_kept").passed);
}

// Negative durations mean that clocks or tokens are mixed up: nothing can be trusted.
TEST(TrialChecks, NegativeLatencyInvalidates) {
    auto phase = good();
    phase.latency.record(-1us);
    EXPECT_FALSE(check_of(phase, "clock_sanity").passed);
    EXPECT_FALSE(valid_with(phase));
}

TEST(TrialChecks, UnknownAcknowledgementsInvalidate) {
    auto phase = good();
    phase.clients[0].unknown = 1;
    EXPECT_FALSE(check_of(phase, "conservation").passed);
    EXPECT_FALSE(valid_with(phase));
}

// Losses, duplicates, refusals and saturation are what the trial is there to find.
TEST(TrialChecks, FaultsOfTheSystemAreResults) {
    auto phase = good();
    phase.delivery = {
        .planned = 1000, .sent = 900, .handled = 700, .rejected = 150, .lost = 50, .duplicated = 2};
    EXPECT_TRUE(check_of(phase, "conservation").passed);
    EXPECT_FALSE(check_of(phase, "no_duplicates").passed);
    EXPECT_FALSE(check_of(phase, "offered_as_planned").passed);
    EXPECT_TRUE(valid_with(phase));
    const auto overloaded = client(2000, 1000, 1s, [](double t) { return 1000 * t; });
    const auto merged = merge_phase(steady(2000, 2000), {overloaded});
    EXPECT_TRUE(merged.saturated);
    EXPECT_FALSE(check_of(merged, "not_saturated").passed);
    EXPECT_TRUE(valid_with(merged));
}

// One event in 2,000 may be missing.
TEST(TrialChecks, OfferedAsPlannedHasItsTolerance) {
    auto phase = good();
    phase.delivery.planned = 10'000;
    phase.delivery.sent = 9'995;
    EXPECT_TRUE(check_of(phase, "offered_as_planned").passed);
    phase.delivery.sent = 9'994;
    EXPECT_FALSE(check_of(phase, "offered_as_planned").passed);
}

TEST(TrialChecks, LittlesLawSeesTimesThatDoNotFitTheCounts) {
    auto phase = good();
    phase.clients[0].in_flight_time = 5049ms;
    EXPECT_TRUE(check_of(phase, "littles_law").passed);
    phase.clients[0].in_flight_time = 5051ms;
    EXPECT_FALSE(check_of(phase, "littles_law").passed);
    phase.delivery.lost = 1;
    EXPECT_TRUE(check_of(phase, "littles_law").passed);
}

}  // namespace
}  // namespace crucible::lab
