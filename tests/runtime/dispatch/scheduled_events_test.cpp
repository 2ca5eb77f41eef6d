#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "base/clock.h"
#include "exchange_fixture.h"

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::ExchangeFixture;
using testing::make_event;

Event scheduled(std::string payload, WallTime time) {
    Event event = make_event(std::move(payload));
    event.not_before = time;
    return event;
}

/// Longer on a machine that was too slow for what comes before that time.
constexpr Duration kWaits[] = {20ms, 1s, 10s};

TEST(ScheduledEvents, AreHandledAtTheirTimeAndNotBefore) {
    for (const Duration wait : kWaits) {
        ExchangeFixture fixture;
        const WallTime time = base::wall_now() + wait;
        ASSERT_TRUE(fixture.taken(scheduled("later", time), 1));
        ASSERT_TRUE(fixture.taken(make_event("now"), 2));
        ASSERT_TRUE(fixture.service().wait_for_batches(1));
        const bool in_time = base::wall_now() < time;
        ASSERT_TRUE(fixture.drain());
        EXPECT_GE(base::wall_now(), time);
        EXPECT_EQ(fixture.handled(), 2u);
        EXPECT_EQ(fixture.exchange().report().scheduled, 0u);
        if (!in_time) continue;
        EXPECT_THAT(fixture.service().payloads(), ElementsAre("now", "later"));
        return;
    }
    FAIL() << "10 s were not enough";
}

TEST(ScheduledEvents, GoInTheOrderOfTheirTimes) {
    for (const Duration wait : kWaits) {
        ExchangeFixture fixture;
        const WallTime now = base::wall_now();
        ASSERT_TRUE(fixture.taken(scheduled("third", now + 2 * wait), 1));
        ASSERT_TRUE(fixture.taken(scheduled("first", now - 24h), 2));
        ASSERT_TRUE(fixture.taken(scheduled("second", now + wait), 3));
        ASSERT_TRUE(fixture.service().wait_for_batches(1));
        const bool in_time = base::wall_now() < now + wait;
        ASSERT_TRUE(fixture.drain());
        if (!in_time) continue;
        EXPECT_THAT(fixture.service().payloads(), ElementsAre("first", "second", "third"));
        return;
    }
    FAIL() << "10 s were not enough";
}

// Who stops before the time has come says so: nothing is silently lost, and the event may be
// published again.
TEST(ScheduledEvents, AreRejectedWhenTheirTimeWillNotCome) {
    ExchangeFixture fixture({.seen = {.events_max = 100, .window = 1h}});
    Event event = scheduled("never", WallTime::max());
    event.id.bytes[0] = 1;
    ASSERT_TRUE(fixture.taken(event, 1));
    EXPECT_EQ(fixture.exchange().report().scheduled, 1u);
    EXPECT_EQ(fixture.exchange().report().waiting_for_retry, 0u);
    EXPECT_EQ(fixture.exchange().stats().queued, 1u);
    EXPECT_FALSE(fixture.exchange().drain(1ms));
    fixture.exchange().end_scheduled();
    ASSERT_EQ(fixture.told().size(), 1u);
    EXPECT_EQ(fixture.told()[0].outcome, Outcome::rejected);
    EXPECT_EQ(fixture.told()[0].reason, "stopped before its time had come");
    EXPECT_EQ(fixture.exchange().report().scheduled, 0u);
    event.not_before = WallTime::min();
    ASSERT_TRUE(fixture.taken(event, 2));
    ASSERT_TRUE(fixture.drain());
    EXPECT_EQ(fixture.handled(), 1u);
}

// They may wait for days, and must not keep out what could be handled now.
TEST(ScheduledEvents, LeaveHalfOfTheQueueToEventsOfNow) {
    ExchangeFixture fixture({.queue_events_max = 4});
    ASSERT_TRUE(fixture.taken(scheduled("a", WallTime::max()), 1));
    ASSERT_TRUE(fixture.taken(scheduled("b", WallTime::max()), 2));
    const auto third = fixture.take(scheduled("c", WallTime::max()), 3);
    ASSERT_TRUE(third && *third);
    EXPECT_EQ((*third)->outcome, Outcome::rejected);
    EXPECT_EQ((*third)->reason, "too many events wait for their time");
    ASSERT_TRUE(fixture.taken(make_event("now"), 4));
    ASSERT_TRUE(fixture.service().wait_for_batches(1));
    fixture.exchange().end_scheduled();
    ASSERT_TRUE(fixture.drain());
    EXPECT_EQ(fixture.handled(), 1u);
    EXPECT_EQ(fixture.count(Outcome::rejected), 2u);
}

TEST(ScheduledEvents, OneThatCannotBeInTimeIsRejectedAtOnce) {
    ExchangeFixture fixture;
    Event event = scheduled("late", base::wall_now() + 1h);
    event.deadline = base::wall_now() + 1min;
    const auto taken = fixture.take(event);
    ASSERT_TRUE(taken && *taken);
    EXPECT_EQ((*taken)->outcome, Outcome::rejected);
    EXPECT_EQ((*taken)->reason, "its deadline is before its time");
    EXPECT_EQ(fixture.exchange().stats().queued, 0u);
    EXPECT_EQ(fixture.exchange().stats().rejected, 1u);
}

// A service that would only acknowledge is no reason to acknowledge early.
TEST(ScheduledEvents, WaitAlsoWhereNothingIsToBeDone) {
    ExchangeFixture fixture;
    Event event = scheduled("idle", base::wall_now() + 10ms);
    event.category = Category::filesystem;
    ASSERT_TRUE(fixture.taken(event));
    ASSERT_TRUE(fixture.drain());
    EXPECT_GE(base::wall_now(), *event.not_before);
    EXPECT_EQ(fixture.handled(), 1u);
}

// The rules that count are those of its time.
TEST(ScheduledEvents, AreRoutedWhenTheirTimeComes) {
    for (const Duration wait : kWaits) {
        ExchangeFixture fixture({}, 2);
        const WallTime time = base::wall_now() + wait;
        ASSERT_TRUE(fixture.taken(scheduled("both", time)));
        fixture.use_rules(R"(
[[rule]]
id = "both"
type = "test.*"
deliver = ["gated-0", "gated-1"]
)");
        if (base::wall_now() >= time) continue;
        ASSERT_TRUE(fixture.drain());
        EXPECT_THAT(fixture.service(0).payloads(), ElementsAre("both"));
        EXPECT_THAT(fixture.service(1).payloads(), ElementsAre("both"));
        EXPECT_EQ(fixture.handled(), 1u);
        EXPECT_EQ(fixture.exchange().report().queued_bytes, 0u);
        return;
    }
    FAIL() << "10 s were not enough to change the rules";
}

}  // namespace
}  // namespace crucible::runtime
