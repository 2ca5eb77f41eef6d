#include "lab/run/phase_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/start_time.h"
#include "trials.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

/// Time passes by sleeping only, and exactly as long as asked.
class FakeClock final : public base::Clock {
public:
    TimePoint now() noexcept override { return now_; }
    void sleep_until(TimePoint deadline) noexcept override { now_ = std::max(now_, deadline); }
    void advance(Duration duration) { now_ += duration; }

private:
    TimePoint now_ = kStart;
};

/// Completes events inside send(), in no time; or takes `take` for event number `slow`.
class FakeTarget final : public Target {
public:
    FakeTarget(FakeClock& clock, std::uint64_t slow, Duration take)
        : clock_(clock), slow_(slow), take_(take) {}

    Result<> send(const Event& event, std::uint64_t token) override {
        if (fail_from_ && sent_.size() >= *fail_from_)
            return std::unexpected(Error{fail_with_, {}});
        if (sent_.size() == slow_) clock_.advance(take_);
        sent_.push_back(clock_.now());
        sources_.push_back(event.source);
        const Completion completion{token, Outcome::handled};
        run_->completed({&completion, 1}, clock_.now());
        return {};
    }
    Result<> drain(Duration) override { return {}; }

    FakeClock& clock_;
    std::uint64_t slow_;
    Duration take_;
    PhaseRun* run_ = nullptr;
    std::optional<std::size_t> fail_from_;
    Errc fail_with_ = Errc::overloaded;
    std::vector<TimePoint> sent_;
    std::vector<std::string> sources_;
};

struct Fixture {
    explicit Fixture(Phase given, PhaseShare share = {.drain_limit = 10s}, std::uint64_t slow = ~0u,
                     Duration take = 0ns)
        : phase(std::move(given)),
          workload({.seed = 1, .payload = PayloadSizes::fixed(256)}),
          pacer(clock, Pacing::precise, 0ns),
          target(clock, slow, take),
          run(phase, share, kStart, workload, clock, pacer) {
        target.run_ = &run;
    }
    ClientPhase drive() {
        run.run(target);
        return run.finish();
    }

    FakeClock clock;
    Phase phase;
    Workload workload;
    Pacer pacer;
    FakeTarget target;
    PhaseRun run;
};

// Every event leaves at its due time; client 1 of 4 sends the plan's indices 1, 5, 9, …
TEST(PhaseRun, SendsItsShareOfThePlanOnTime) {
    Fixture fixture(steady(1000, 10), {.client = 1, .clients = 4, .drain_limit = 10s});
    const auto result = fixture.drive();
    EXPECT_EQ(fixture.target.sent_, (std::vector{kStart + 1ms, kStart + 5ms, kStart + 9ms}));
    EXPECT_EQ(fixture.target.sources_.front(), "client-1");
    EXPECT_EQ(result.delivery.planned, 3u);
    EXPECT_EQ(result.delivery.sent, 3u);
    EXPECT_EQ(result.lateness.max(), 1ns);  // the histogram's smallest
    EXPECT_EQ(result.window, 10ms);
}

// A pattern decides when; its stretches are told apart by when events were due. A stall in the peak
// is the peak's, whenever its events ended.
TEST(PhaseRun, StretchesOfAPatternHaveTheirOwnFigures) {
    const Phase phase{
        .name = "spike", .pattern = *Pattern::parse("spike:100,1000,100ms,300ms"), .warmup = 50ms};
    // 5 events of warm-up, 10 before, 100 of the peak, 10 after.
    Fixture fixture(phase, {.drain_limit = 10s}, /*slow=*/110, 200ms);
    const auto result = fixture.drive();
    EXPECT_EQ(result.delivery.sent, 125u);
    EXPECT_EQ(fixture.target.sent_[5], kStart + 50ms);
    EXPECT_EQ(fixture.target.sent_[15], kStart + 150ms);
    EXPECT_EQ(fixture.target.sent_[16], kStart + 151ms);
    EXPECT_EQ(result.window, 300ms);
    ASSERT_EQ(result.segments.size(), 3u);
    EXPECT_EQ(result.segments[0].sent, 10u);
    EXPECT_EQ(result.segments[1].sent, 100u);
    EXPECT_EQ(result.segments[2].sent, 10u);
    EXPECT_EQ(result.segments[0].latency.count(), 10u);
    EXPECT_LT(result.segments[0].latency.max(), 1ms);
    EXPECT_EQ(result.segments[1].latency.count(), 100u);
    EXPECT_EQ(result.segments[1].latency.max(), 200ms);  // event 110, due at 245 ms, ends at 445 ms
    EXPECT_EQ(result.segments[2].latency.max(), 195ms);  // due at 250 ms, sent at 445 ms
    ASSERT_GE(result.series.size(), 5u);
    EXPECT_EQ(result.series[0].sent, 10u);  // 5 of the warm-up, and of the 10/s before the peak 5
    EXPECT_EQ(result.series[1].sent, 55u);
    EXPECT_EQ(result.series[4].latency_max, 200ms);
}

// All events of a burst are due at one moment and leave one after the other.
TEST(PhaseRun, EventsOfABurstLeaveAtOnce) {
    const Phase phase{.name = "burst", .pattern = *Pattern::parse("burst:3,100ms,2")};
    Fixture fixture(phase, {.drain_limit = 10s});
    fixture.drive();
    EXPECT_EQ(fixture.target.sent_, (std::vector{kStart, kStart, kStart, kStart + 100ms,
                                                 kStart + 100ms, kStart + 100ms}));
}

// At 1,000 events/s a 100 ms stall delays the 100 events due meanwhile, so half of 200 events see
// at least some of it. A clock started at the actual send would show one slow event in 200.
TEST(PhaseRun, CountsTheWaitBehindAStall) {
    Fixture fixture(steady(1000, 200), {.drain_limit = 10s}, /*slow=*/50, 100ms);
    const auto result = fixture.drive();
    EXPECT_EQ(result.latency.count(), 200u);
    EXPECT_EQ(result.latency.max(), 100ms);
    const auto near = [](Duration value, Duration expected) {
        return value >= expected && value <= expected + expected / 1000;
    };
    EXPECT_TRUE(near(result.latency.quantile(0.75), 50ms)) << result.latency.quantile(0.75).count();
    // Event 50 + i waits 100 - i ms: 100 events of 200 wait.
    EXPECT_LE(result.latency.quantile(0.50), 1ns);
    EXPECT_TRUE(near(result.latency.quantile(0.505), 1ms));
}

// A target that blocks its caller makes events late; the injector is not to blame, and the trial
// stays valid.
TEST(PhaseRun, BlockedSendIsNotTheInjectorsLateness) {
    Fixture fixture(steady(1000, 200), {.drain_limit = 10s}, /*slow=*/50, 100ms);
    const auto result = fixture.drive();
    EXPECT_EQ(result.lateness.max(), 99ms);
    EXPECT_EQ(result.own_lateness.max(), 1ns);  // the histogram's smallest
}

/// Reading the time costs 2 ms: an injector too slow for 1,000 events/s.
class SlowClock final : public base::Clock {
public:
    TimePoint now() noexcept override { return now_ += 2ms; }
    void sleep_until(TimePoint deadline) noexcept override { now_ = std::max(now_, deadline); }

private:
    TimePoint now_ = kStart;
};
class InstantTarget final : public Target {
public:
    Result<> send(const Event&, std::uint64_t token) override {
        const Completion completion{token, Outcome::handled};
        run_->completed({&completion, 1}, kStart + 1min);
        return {};
    }
    Result<> drain(Duration) override { return {}; }
    PhaseRun* run_ = nullptr;
};

// The injector's own slowness adds up: each event is late by what all before it took, although
// nothing is lost between a send's return and the next send.
TEST(PhaseRun, SlowInjectorIsItsOwnLateness) {
    SlowClock clock;
    Workload workload({.seed = 1, .payload = PayloadSizes::fixed(256)});
    Pacer pacer(clock, Pacing::precise, 0ns);
    const Phase phase = steady(1000, 100);
    PhaseRun run(phase, {.drain_limit = 10s}, kStart, workload, clock, pacer);
    InstantTarget target;
    target.run_ = &run;
    run.run(target);
    const auto result = run.finish();
    // One reading before and one after each send: event n leaves at 4n + 2 ms; half of that is
    // between a send's return and the next send: due at n, it is 2 (n + 1) - n late by itself.
    EXPECT_EQ(result.lateness.max(), 4ms * 99 + 2ms - 99ms);
    EXPECT_EQ(result.own_lateness.max(), 2ms * 100 - 99ms);
}

// The warm-up comes on top of the planned events, from the same schedule.
TEST(PhaseRun, WarmUpPrecedesTheMeasuredEvents) {
    Fixture fixture(steady(1000, 100, 50ms));
    const auto result = fixture.drive();
    EXPECT_EQ(result.delivery.planned, 150u);
    EXPECT_EQ(result.completed, 100u);
    EXPECT_EQ(result.completed_in_window, 100u);
    EXPECT_EQ(result.window_start, 50ms);
    EXPECT_EQ(result.window, 100ms);
}

// A refusal ends an event and not the load.
TEST(PhaseRun, GoesOnAfterRefusals) {
    Fixture fixture(steady(1000, 100));
    fixture.target.fail_from_ = 60;
    const auto result = fixture.drive();
    EXPECT_EQ(result.delivery.sent, 100u);
    EXPECT_EQ(result.delivery.handled, 60u);
    EXPECT_EQ(result.delivery.rejected, 40u);
    EXPECT_FALSE(result.target_gone);
}

// A closed target ends the load at once; what was planned and not sent stays visible.
TEST(PhaseRun, StopsWhenTheTargetIsGone) {
    Fixture fixture(steady(1000, 100));
    fixture.target.fail_from_ = 60;
    fixture.target.fail_with_ = Errc::closed;
    const auto result = fixture.drive();
    EXPECT_EQ(result.delivery.planned, 100u);
    EXPECT_EQ(result.delivery.sent, 61u);
    EXPECT_EQ(result.delivery.rejected, 1u);
    EXPECT_TRUE(result.target_gone);
    EXPECT_EQ(result.window, 60ms);
}

// A target so slow that the plan would take for ever is given up drain_limit after the last due
// time.
TEST(PhaseRun, GivesUpOnATargetThatHoldsUpItsCaller) {
    Fixture fixture(steady(1000, 100), {.drain_limit = 1s}, /*slow=*/10, 1h);
    const auto result = fixture.drive();
    EXPECT_EQ(result.delivery.sent, 11u);
    EXPECT_EQ(result.delivery.planned, 100u);
}

// A stop from outside ends the load before the next event.
TEST(PhaseRun, StopEndsTheLoad) {
    Fixture fixture(steady(1000, 100));
    fixture.run.stop();
    EXPECT_EQ(fixture.drive().delivery.sent, 0u);
}

// An acknowledgement that comes in the next phase, with the other phase in its token, belongs to
// nobody here.
TEST(PhaseRun, IgnoresEndsOfAnotherPhase) {
    Fixture fixture(steady(1000, 10), {.phase = 1, .drain_limit = 10s});
    const Completion late{0, Outcome::handled};
    fixture.run.completed({&late, 1}, kStart);
    const auto result = fixture.drive();
    EXPECT_EQ(result.delivery.handled, 10u);
    EXPECT_EQ(result.unknown, 0u);
}

// Open loop, the backlog is what is due and has not ended, sent or not: a target that blocks its
// caller has one too, although hardly anything is in flight.
TEST(PhaseRun, BacklogCountsWhatIsDueAndNotSent) {
    Fixture fixture(steady(1000, 1000));
    const auto moment = [](std::uint64_t n) {
        return kStart + backlog_moment({.drain_limit = 10s}, n);
    };
    const auto due = [&](std::uint64_t n) -> std::uint64_t {
        return (moment(n) - kStart) / 1ms + 1;
    };
    EXPECT_EQ(fixture.run.next_sample(), moment(0));
    fixture.run.sample_backlog(kStart - 1ms);
    fixture.run.sample_backlog(moment(0) - 1ns);  // not yet time for it
    EXPECT_EQ(fixture.run.next_sample(), moment(0));
    fixture.run.sample_backlog(moment(0));
    fixture.run.sample_backlog(moment(0) + 1ns);
    EXPECT_EQ(fixture.run.next_sample(), moment(1));
    fixture.run.sample_backlog(moment(3) - 1ns);  // came late: stands for 1 and 2
    EXPECT_EQ(fixture.run.next_sample(), moment(3));
    fixture.run.sample_backlog(moment(3));
    const auto result = fixture.run.finish();
    const auto late = static_cast<std::uint64_t>((moment(3) - 1ns - kStart) / 1ms) + 1;
    EXPECT_EQ(result.backlog, (std::vector<std::uint64_t>{due(0), late, late, due(3)}));
}

// Every interval of the window has its sample, also those after the last event of a client that
// sends little, or none. A load that is stopped has no more of them.
TEST(PhaseRun, SamplesUntilTheWindowEnds) {
    Fixture fixture(steady(10, 2));  // at 0 and at 100 ms
    const auto moment = [](std::uint64_t n) {
        return kStart + backlog_moment({.drain_limit = 10s}, n);
    };
    for (std::uint64_t n = 0; n < 2; ++n) fixture.run.sample_backlog(moment(n));
    fixture.run.run(fixture.target);
    EXPECT_EQ(fixture.run.next_sample(), moment(2));
    fixture.run.sample_backlog(kStart + 300ms);  // came late, but there are no more
    EXPECT_FALSE(fixture.run.next_sample());
    EXPECT_EQ(fixture.run.finish().backlog, (std::vector<std::uint64_t>{1, 1, 0, 0}));
    EXPECT_FALSE(fixture.run.next_sample());
    Fixture drained(steady(10, 2));
    EXPECT_EQ(drained.drive().backlog, std::vector<std::uint64_t>(4, 0));
    // No sample of the interval that the window's end only just reaches.
    const PhaseShare share{.seed = 2, .drain_limit = 10s};
    ASSERT_GT(backlog_moment(share, 2), 101ms);
    Fixture beyond(steady(1000, 101), share);
    EXPECT_EQ(beyond.drive().backlog.size(), 2u);
    Fixture idle(steady(10, 1), {.client = 1, .clients = 4, .drain_limit = 10s});
    EXPECT_EQ(idle.drive().backlog, std::vector<std::uint64_t>(2, 0));
    Fixture stopped(steady(10, 2));
    stopped.run.stop();
    EXPECT_TRUE(stopped.drive().backlog.empty());
}

/// Ends nothing by itself, and takes `take` for each event.
class HoldingTarget final : public Target {
public:
    explicit HoldingTarget(FakeClock& clock) : clock_(clock) {}
    Result<> send(const Event& event, std::uint64_t token) override {
        clock_.advance(take_);
        sent_.push_back(clock_.now());
        tokens_.push_back(token);
        ids_.insert(event.id);
        return {};
    }
    Result<> drain(Duration) override {
        ++drains_;
        return {};
    }

    FakeClock& clock_;
    Duration take_{};
    std::vector<TimePoint> sent_;
    std::vector<std::uint64_t> tokens_;
    std::set<Uuid> ids_;
    int drains_ = 0;
};

/// Two phases of 10 events at 1,000/s, without a rest between them.
struct Flowing {
    explicit Flowing(const Arrivals& arrivals = Arrivals::constant())
        : second(steady(1000, 10)), workload({.seed = 1, .payload = PayloadSizes::fixed(256)}) {
        second.arrivals = arrivals;
        first = second;
        first.flows_on = true;
        before.emplace(first, PhaseShare{.phase = 0, .drain_limit = 10s}, kStart, workload, clock,
                       pacer);
        after.emplace(second, PhaseShare{.phase = 1, .drain_limit = 10s}, before->load_end(),
                      workload, clock, pacer, &*before);
    }

    FakeClock clock;
    Phase first;
    Phase second;
    Workload workload;
    Pacer pacer{clock, Pacing::precise, 0ns};
    HoldingTarget target{clock};
    std::optional<PhaseRun> before;
    std::optional<PhaseRun> after;
};

// The second begins on time though nothing of the first has ended; what ends then is the first's.
TEST(PhaseRun, FlowsOnWithoutARest) {
    Flowing flowing;
    auto& [clock, first, second, workload, pacer, target, before, after] = flowing;
    before->run(target);
    EXPECT_EQ(target.drains_, 0);
    EXPECT_EQ(clock.now(), kStart + 9ms);
    after->run(target);
    EXPECT_EQ(target.drains_, 1);
    ASSERT_EQ(target.sent_.size(), 20u);
    EXPECT_EQ(target.sent_[10], kStart + 10ms);
    EXPECT_EQ(target.sent_[19], kStart + 19ms);
    EXPECT_EQ(target.ids_.size(), 20u);  // one stream, whose ids never come again
    for (const auto token : target.tokens_) {
        const Completion completion{token, Outcome::handled};
        (PhaseRun::phase_of(token) == 0 ? *before : *after)
            .completed({&completion, 1}, kStart + 30ms);
    }
    for (auto* const run : {&*before, &*after}) {
        const auto result = run->finish();
        EXPECT_EQ(result.delivery.handled, 10u);
        EXPECT_EQ(result.latency.count(), 10u);
        EXPECT_EQ(result.window, 10ms);
        EXPECT_EQ(result.completed_in_window, 0u);
    }
}

// Events of the second wait behind what the first has left: that is backlog of both.
TEST(PhaseRun, BacklogHasWhatThePhaseBeforeLeft) {
    Flowing flowing;
    auto& [clock, first, second, workload, pacer, target, before, after] = flowing;
    before->run(target);
    const std::vector<Completion> ended{{target.tokens_[0], Outcome::handled},
                                        {target.tokens_[1], Outcome::handled}};
    before->completed(ended, kStart + 9ms);
    // Its intervals begin when it does, not with the load before.
    const auto moment = after->next_sample();
    ASSERT_TRUE(moment);
    EXPECT_GE(*moment, kStart + 10ms);
    EXPECT_LT(*moment, kStart + 10ms + kBacklogInterval);
    after->sample_backlog(*moment - 1ns);
    after->sample_backlog(*moment);
    const auto due = std::min<std::uint64_t>((*moment - kStart - 10ms) / 1ms + 1, 10);
    EXPECT_EQ(after->finish().backlog, (std::vector<std::uint64_t>{8 + due}));
}

// Held up by a send() of the first, the second begins late by no fault of the injector.
TEST(PhaseRun, FlowsOnLateWhereTheTargetHeldItUp) {
    Flowing flowing;
    auto& [clock, first, second, workload, pacer, target, before, after] = flowing;
    target.take_ = 5ms;
    before->run(target);
    target.take_ = {};
    after->run(target);
    EXPECT_EQ(target.sent_[10], kStart + 50ms);
    const auto result = after->finish();
    EXPECT_GE(result.lateness.max(), 40ms);
    EXPECT_LE(result.own_lateness.max(), 1ns);
}

// Random arrivals are not those of the phase before once more, but the same in every run; those of
// the first are as they would be alone.
TEST(PhaseRun, FlowsOnWithArrivalsOfItsOwn) {
    const auto sent = [] {
        Flowing flowing(Arrivals::poisson());
        auto& [clock, first, second, workload, pacer, target, before, after] = flowing;
        before->run(target);
        after->run(target);
        const TimePoint second_start = before->load_end();
        std::vector<std::vector<Duration>> times(2);
        for (std::size_t i = 0; i < target.sent_.size(); ++i)
            times[i / 10].push_back(target.sent_[i] - (i < 10 ? kStart : second_start));
        return times;
    };
    const auto times = sent();
    ASSERT_EQ(times[1].size(), 10u);
    EXPECT_NE(times[0], times[1]);
    EXPECT_EQ(times, sent());
    auto alone = steady(1000, 10);
    alone.arrivals = Arrivals::poisson();
    Fixture fixture(alone);
    fixture.drive();
    for (std::size_t i = 0; i < 10; ++i)
        EXPECT_EQ(fixture.target.sent_[i] - kStart, times[0][i]) << i;
}

// Closed loop: nothing is due; the next event leaves when one has ended, until the time is over.
TEST(PhaseRun, ClosedLoopSendsUntilItsTimeIsOver) {
    Phase phase = maximum_phase(30ms, 10ms);
    phase.window = 1;
    // The wait for a place is on the real clock and never needed here: events end inside send().
    Fixture fixture(phase, {.drain_limit = 10s}, /*slow=*/5, 1h);
    const auto result = fixture.drive();
    EXPECT_EQ(result.delivery.sent, 6u);
    EXPECT_EQ(result.delivery.planned, 6u);
    EXPECT_EQ(result.delivery.handled, 6u);
    EXPECT_EQ(result.lateness.count(), 0u);
    EXPECT_EQ(result.window, 30ms);
}

// Equal steps from a start that is anywhere in the first, and not where another client's is, or
// another phase's.
TEST(BacklogMoment, StepsFromARandomStart) {
    constexpr std::uint32_t kStarts = 1'000;
    Duration sum{};
    std::uint64_t together = 0;
    for (std::uint32_t i = 0; i < kStarts; ++i) {
        const PhaseShare share{.phase = i % 10, .client = i / 10 % 10, .seed = i / 100};
        const Duration start = backlog_moment(share, 0);
        ASSERT_GE(start, 0ns);
        ASSERT_LT(start, kBacklogInterval);
        EXPECT_EQ(backlog_moment(share, 7), start + 7 * kBacklogInterval);
        sum += start;
        PhaseShare next = share;
        ++(i % 3 == 0 ? next.phase : next.client);
        const Duration apart = start - backlog_moment(next, 0);
        together += apart > -1ms && apart < 1ms ? 1 : 0;
    }
    EXPECT_NEAR(sum / std::chrono::duration<double>(kStarts * kBacklogInterval), 0.5, 0.05);
    EXPECT_LT(together, kStarts / 10);  // 4 %
}

TEST(ShareOf, DealsEveryEventOnce) {
    for (const std::uint64_t total : {0u, 1u, 3u, 4u, 5u, 103u}) {
        std::uint64_t sum = 0;
        for (std::uint32_t client = 0; client < 4; ++client) sum += share_of(total, client, 4);
        EXPECT_EQ(sum, total);
    }
    EXPECT_EQ(share_of(5, 0, 4), 2u);
    EXPECT_EQ(share_of(5, 1, 4), 1u);
}

}  // namespace
}  // namespace crucible::lab
