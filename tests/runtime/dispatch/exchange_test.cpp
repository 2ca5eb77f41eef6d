#include "runtime/dispatch/exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "exchange_fixture.h"

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::event_of;
using testing::ExchangeFixture;
using testing::GatedService;
using testing::impatient;
using testing::kGenerousLimit;
using testing::make_event;
using testing::once;

TEST(Exchange, BringsAnEventToItsServiceAndTellsTheEnd) {
    ExchangeFixture fixture;

    ASSERT_TRUE(fixture.taken(event_of(1, "hello"), 41));
    ASSERT_TRUE(fixture.drain());

    EXPECT_THAT(fixture.service().payloads(), ElementsAre("hello"));
    ASSERT_EQ(fixture.told().size(), 1u);
    EXPECT_EQ(fixture.told()[0].token, 41u);
    EXPECT_EQ(fixture.told()[0].outcome, Outcome::handled);
}

// Nobody needs to wait for a worker to hear that.
TEST(Exchange, RejectsAtOnceWhatNoServiceFits) {
    ExchangeFixture fixture;
    Event event = event_of(1);
    event.targets = {"nobody"};

    const auto taken = fixture.take(event);

    ASSERT_TRUE(taken && *taken);
    EXPECT_EQ((*taken)->outcome, Outcome::rejected);
    EXPECT_EQ((*taken)->reason, "no service for this event");
    EXPECT_EQ(fixture.exchange().stats().rejected, 1u);
}

TEST(Exchange, TellsAtOnceWhatNeedsNoWork) {
    ExchangeFixture fixture;
    Event event = event_of(1);
    event.category = Category::database;

    const auto taken = fixture.take(event);

    ASSERT_TRUE(taken && *taken);
    EXPECT_EQ((*taken)->outcome, Outcome::handled);
    EXPECT_EQ(fixture.exchange().stats().handled, 1u);
}

// --- Limits

// Beyond the limit nothing is taken and no completion comes; room appears as events end.
TEST(Exchange, RefusesEventsBeyondItsLimit) {
    ExchangeFixture fixture({.queue_events_max = 3});
    fixture.service().close_gate();
    for (std::uint8_t i = 0; i < 3; ++i) ASSERT_TRUE(fixture.taken(event_of(i)));

    const auto refused = fixture.take(event_of(9));

    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::overloaded);
    fixture.service().open_gate();
    ASSERT_TRUE(fixture.drain());
    EXPECT_EQ(fixture.told().size(), 3u);
    // The one that was refused was not handled: the same event is welcome now.
    EXPECT_TRUE(fixture.taken(event_of(9)));
}

// A few large events fill the queue as many small ones do; one alone is always let in.
TEST(Exchange, RefusesBytesBeyondItsLimit) {
    ExchangeFixture fixture({.queue_bytes_max = 10'000});
    fixture.service().close_gate();
    ASSERT_TRUE(fixture.taken(event_of(1, std::string(20'000, 'x'))));
    EXPECT_FALSE(fixture.take(event_of(2)));

    fixture.service().open_gate();
    ASSERT_TRUE(fixture.drain());
    fixture.service().close_gate();
    ASSERT_TRUE(fixture.taken(event_of(3, std::string(5'000, 'x'))));
    EXPECT_TRUE(fixture.taken(event_of(4, std::string(4'000, 'x'))));
    EXPECT_FALSE(fixture.take(event_of(5, std::string(4'000, 'x'))));
}

// The full queue of one service is no reason to refuse another's events.
TEST(Exchange, OneServiceThatStallsLeavesRoomForOthers) {
    ExchangeOptions options;
    options.dispatch.service_events_max = 2;
    ExchangeFixture fixture(options, 2);
    fixture.service(0).close_gate();
    const auto for_service = [](std::uint8_t number, const char* name) {
        Event event = event_of(number);
        event.targets = {name};
        return event;
    };
    ASSERT_TRUE(fixture.taken(for_service(1, "gated-0")));
    ASSERT_TRUE(fixture.taken(for_service(2, "gated-0")));

    const auto refused = fixture.take(for_service(3, "gated-0"));

    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::overloaded);
    EXPECT_TRUE(fixture.taken(for_service(4, "gated-1")));
    EXPECT_EQ(fixture.exchange().stats().published, 3u);
}

// Shedding: what waits with the lowest priority makes room, with a reason; what is not above
// anything is refused itself.
TEST(Exchange, ShedsTheLowestPriorityFirst) {
    ExchangeFixture fixture({.queue_events_max = 3, .overflow = Overflow::shed});
    fixture.service().close_gate();
    ASSERT_TRUE(fixture.taken(event_of(1, "being handled"), 1));
    ASSERT_TRUE(fixture.service().wait_for_batches(1));
    ASSERT_TRUE(fixture.taken(event_of(2, "normal"), 2));
    ASSERT_TRUE(fixture.taken(event_of(3, "low", Priority::low), 3));

    EXPECT_TRUE(fixture.taken(event_of(4, "critical", Priority::critical), 4));
    EXPECT_FALSE(fixture.take(event_of(5, "another normal"), 5));
    EXPECT_TRUE(fixture.taken(event_of(6, "high", Priority::high), 6));

    const auto told = fixture.told();
    ASSERT_EQ(told.size(), 2u);
    EXPECT_EQ(told[0].token, 2u);
    EXPECT_EQ(told[0].outcome, Outcome::rejected);
    EXPECT_EQ(told[0].reason, "the queue is full: given up for an event of priority high");
    EXPECT_EQ(told[1].token, 3u);
    EXPECT_EQ(told[1].reason, "the queue is full: given up for an event of priority critical");
    EXPECT_EQ(fixture.exchange().report().shed, 2u);
    fixture.service().open_gate();
    ASSERT_TRUE(fixture.drain());
    EXPECT_THAT(fixture.service().payloads(), ElementsAre("being handled", "critical", "high"));
}

// A service whose waiting events were all given up has nothing to do when its turn comes.
TEST(Exchange, ShedsAllThatWaitsForAService) {
    ExchangeOptions options{.queue_events_max = 2, .overflow = Overflow::shed};
    options.dispatch.workers = 1;
    ExchangeFixture fixture(options, 2);
    fixture.service(0).close_gate();
    const auto for_service = [](std::uint8_t number, const char* name, Priority priority) {
        Event event = event_of(number, "a", priority);
        event.targets = {name};
        return event;
    };
    ASSERT_TRUE(fixture.taken(for_service(1, "gated-0", Priority::normal), 1));
    ASSERT_TRUE(fixture.service(0).wait_for_batches(1));
    ASSERT_TRUE(fixture.taken(for_service(2, "gated-1", Priority::low), 2));
    // The only worker is busy: gated-1 is ready, and loses its event before its turn.
    ASSERT_TRUE(fixture.taken(for_service(3, "gated-0", Priority::critical), 3));

    fixture.service(0).open_gate();
    ASSERT_TRUE(fixture.drain());
    ASSERT_TRUE(fixture.taken(for_service(4, "gated-1", Priority::low), 4));
    ASSERT_TRUE(fixture.drain());

    EXPECT_EQ(fixture.handled(), 3u);
    EXPECT_EQ(fixture.count(Outcome::rejected), 1u);
    // What was given up was not handled: the same event is welcome again.
    ASSERT_TRUE(fixture.taken(for_service(2, "gated-1", Priority::low), 5));
    ASSERT_TRUE(fixture.drain());
    EXPECT_EQ(fixture.handled(), 4u);
}

// The ledger of a run rests on these counts: they add up at every moment.
TEST(Exchange, CountsEveryEventOnce) {
    auto options = once();
    options.queue_events_max = 4;
    ExchangeFixture fixture(options);
    fixture.service().close_gate();
    ASSERT_TRUE(fixture.taken(event_of(1)));
    ASSERT_TRUE(fixture.service().wait_for_batches(1));
    Event late = event_of(2);
    late.deadline = base::wall_now() - std::chrono::hours(1);
    ASSERT_TRUE(fixture.taken(late));
    ASSERT_TRUE(fixture.taken(event_of(3, "fail")));
    ASSERT_TRUE(fixture.taken(event_of(4)));
    ASSERT_FALSE(fixture.take(event_of(5)));

    const auto before = fixture.exchange().stats();
    EXPECT_EQ(before.published, 4u);
    EXPECT_EQ(before.queued, 4u);

    fixture.service().open_gate();
    ASSERT_TRUE(fixture.drain());
    const auto after = fixture.exchange().stats();
    EXPECT_EQ(after.published, 4u);
    EXPECT_EQ(after.handled, 2u);
    EXPECT_EQ(after.failed, 1u);
    EXPECT_EQ(after.expired, 1u);
    EXPECT_EQ(after.queued, 0u);
    EXPECT_EQ(fixture.exchange().instances().back().handed_over, 3u)
        << "nobody was given what had expired";
}

// drain() says when it gave up, and the same call later succeeds.
TEST(Exchange, DrainTimesOutWhileAnEventIsHandled) {
    ExchangeFixture fixture;
    fixture.service().close_gate();
    ASSERT_TRUE(fixture.taken(event_of(1)));

    const auto early = fixture.exchange().drain(1ms);
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().code, Errc::timeout);

    fixture.service().open_gate();
    EXPECT_TRUE(fixture.exchange().drain(Duration::max()));
}

// Closing ends acceptance, not the work: what was taken is handled, retries included.
TEST(Exchange, FinishesWhatWasTakenBeforeItClosed) {
    ExchangeFixture fixture(impatient(3));
    fixture.service().close_gate();
    ASSERT_TRUE(fixture.taken(event_of(1)));
    ASSERT_TRUE(fixture.taken(event_of(2, "fail")));
    fixture.exchange().close();

    const auto refused = fixture.take(event_of(3));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::closed);

    fixture.service().open_gate();
    ASSERT_TRUE(fixture.drain());
    EXPECT_EQ(fixture.handled(), 1u);
    EXPECT_EQ(fixture.count(Outcome::failed), 1u);
}

// --- Repeated events

// What was handled is not handled again; the one who asks again hears the same end.
TEST(Exchange, HandlesARepeatedEventOnce) {
    ExchangeFixture fixture;
    ASSERT_TRUE(fixture.taken(event_of(1), 1));
    ASSERT_TRUE(fixture.drain());

    const auto again = fixture.take(event_of(1), 2);

    ASSERT_TRUE(again && *again);
    EXPECT_EQ((*again)->outcome, Outcome::handled);
    EXPECT_EQ(fixture.service().payloads().size(), 1u);
    const auto stats = fixture.exchange().stats();
    EXPECT_EQ(stats.published, 2u);
    EXPECT_EQ(stats.handled, 2u);
    EXPECT_EQ(fixture.exchange().report().seen.repeated, 1u);
}

// Published again while the first is being handled: both hear of its end, when it ends.
TEST(Exchange, TellsARepeatTheEndOfTheFirst) {
    ExchangeFixture fixture(once());
    fixture.service().close_gate();
    ASSERT_TRUE(fixture.taken(event_of(1, "fail"), 1));
    ASSERT_TRUE(fixture.taken(event_of(1, "fail"), 2));
    ASSERT_TRUE(fixture.taken(event_of(1, "fail"), 3));
    EXPECT_TRUE(fixture.told().empty());

    fixture.service().open_gate();
    ASSERT_TRUE(fixture.drain());

    const auto told = fixture.told();
    ASSERT_EQ(told.size(), 3u);
    for (const auto& end : told) {
        EXPECT_EQ(end.outcome, Outcome::failed);
        EXPECT_EQ(end.reason, "asked to fail");
    }
    EXPECT_EQ(fixture.service().payloads().size(), 1u);
    EXPECT_EQ(fixture.exchange().stats().queued, 0u);
}

// What waits for the end of a first is bounded as the queue is.
TEST(Exchange, RefusesRepeatsBeyondItsLimit) {
    ExchangeFixture fixture({.queue_events_max = 2});
    fixture.service().close_gate();
    for (std::uint64_t token = 0; token < 3; ++token)
        ASSERT_TRUE(fixture.taken(event_of(1), token));

    const auto refused = fixture.take(event_of(1), 3);

    ASSERT_TRUE(refused && *refused);
    EXPECT_EQ((*refused)->outcome, Outcome::rejected);
    EXPECT_EQ((*refused)->reason, "too many wait for the end of events they repeat");
    fixture.service().open_gate();
    ASSERT_TRUE(fixture.drain());
    EXPECT_EQ(fixture.handled(), 3u);
}

// Who has drained has heard of everything, of repeats too.
TEST(Exchange, DrainWaitsUntilRepeatsAreTold) {
    const auto services = *ServiceSet::open({.data_directory = {}, .work = Work::none});
    auto gated = std::make_unique<GatedService>();
    auto& service = *gated;
    ASSERT_TRUE(services->add(std::move(gated)));
    ExchangeOptions options;
    options.dispatch.workers = 1;
    std::atomic<std::size_t> told = 0;
    Exchange exchange(options, *services, [&](std::span<const Completion> completions) {
        std::this_thread::sleep_for(20ms);  // a slow listener
        told += completions.size();
    });
    service.close_gate();
    const Event event = event_of(1);
    for (std::uint64_t token = 0; token < 3; ++token) {
        ASSERT_TRUE(exchange.take({event.id, view_of(event), 7, token, base::monotonic_now()},
                                  *exchange.rules().table(), [&](Event& target) -> Result<> {
                                      target = event;
                                      return {};
                                  }));
    }
    service.open_gate();
    ASSERT_TRUE(exchange.drain(kGenerousLimit));

    EXPECT_EQ(told, 3u);
}

TEST(Exchange, EventsWithoutAnIdAreNobodysRepeats) {
    ExchangeFixture fixture;
    for (std::uint64_t token = 0; token < 3; ++token)
        ASSERT_TRUE(fixture.taken(make_event("a"), token));
    ASSERT_TRUE(fixture.drain());

    EXPECT_EQ(fixture.service().payloads().size(), 3u);
}

}  // namespace
}  // namespace crucible::runtime
