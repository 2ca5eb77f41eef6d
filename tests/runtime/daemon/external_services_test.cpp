// Services outside the daemon, frame by frame.
#include "runtime/daemon/external_services.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "external_fixture.h"

namespace crucible::runtime {
namespace {

using testing::attempts;
using testing::ExternalTest;
using ::testing::HasSubstr;
using testing::kGenerousLimit;
using testing::make_event;
using testing::payloads;
using testing::RawService;

// The common case, whole: by its category or its name an event reaches the service, as it was
// published, and is acknowledged when that has settled it.
TEST_F(ExternalTest, DeliversByCategoryAndByName) {
    start();
    RawService service(socket_);
    ASSERT_TRUE(service.subscribe("billing", 10, {Category::custom}));
    Event by_category = make_event("a");
    by_category.content_type = "text/plain";
    publish(by_category);
    Event by_name = make_event("b");
    by_name.category = Category::database;
    by_name.targets = {"billing"};
    publish(by_name);

    const auto deliveries = service.next(2);

    EXPECT_EQ(payloads(deliveries), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(deliveries[0].event.content_type, "text/plain");
    EXPECT_EQ(deliveries[0].event.attempt, 1u);
    EXPECT_FALSE(deliveries[0].event.redelivered());
    EXPECT_EQ(deliveries[1].event.targets, std::vector<std::string>{"billing"});
    EXPECT_EQ(client_->stats().queued, 2u);
    ASSERT_TRUE(service.settle(deliveries[0].number));
    ASSERT_TRUE(service.settle(deliveries[1].number));
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 2u);
}

// Two of a category share its sources, and each source has one of them.
TEST_F(ExternalTest, SharesACategory) {
    start();
    RawService first(socket_);
    RawService second(socket_);
    ASSERT_TRUE(first.subscribe("first", 100));
    ASSERT_TRUE(second.subscribe("second", 100));
    for (int i = 0; i < 4; ++i) publish(2, "client-" + std::to_string(i));

    std::map<std::string, int> had[2];
    RawService* services[] = {&first, &second};
    for (int i = 0; i < 2; ++i) {
        for (const auto& delivery : services[i]->next(4)) ++had[i][delivery.event.source];
        ASSERT_TRUE(services[i]->settle(1));
        ASSERT_TRUE(services[i]->settle(2));
        ASSERT_TRUE(services[i]->settle(3));
        ASSERT_TRUE(services[i]->settle(4));
    }

    EXPECT_EQ(had[0].size(), 2u);
    EXPECT_EQ(had[1].size(), 2u);
    for (const auto& [source, count] : had[0]) EXPECT_EQ(had[1].count(source), 0u) << source;
    ASSERT_TRUE(client_->drain(kGenerousLimit));
}

// What a service has and has not settled is never more than its credits; settling and granting make
// room.
TEST_F(ExternalTest, KeepsToTheCredits) {
    start();
    RawService service(socket_);
    ASSERT_TRUE(service.subscribe("billing", 4));
    publish(20);

    (void)service.next(4);
    await_queued("billing", 20);
    auto seen = ask_service("billing");
    EXPECT_EQ(seen["external"]["open"], 4);
    EXPECT_EQ(seen["external"]["credits"], 4);
    ASSERT_TRUE(service.settle(2));
    EXPECT_EQ(service.next()->number, 5u);
    ASSERT_TRUE(service.send(protocol::Kind::grant, 3));
    EXPECT_EQ(payloads(service.next(3)), (std::vector<std::string>{"5", "6", "7"}));
    seen = ask_service("billing");
    EXPECT_EQ(seen["external"]["open"], 7);
    EXPECT_EQ(seen["external"]["credits"], 7);
    EXPECT_EQ(seen["external"]["delivered"], 8);
    for (std::uint64_t number = 1; number <= 20; ++number) {
        if (number > 8) {
            EXPECT_EQ(service.next()->number, number);
        }
        if (number != 2) {
            ASSERT_TRUE(service.settle(number));
        }
    }
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 20u);
}

// One that is not settled for long does not disturb the others behind it, however many.
TEST_F(ExternalTest, SettlesWhatComesBehindOneThatStays) {
    start();
    RawService service(socket_);
    ASSERT_TRUE(service.subscribe("billing", 100));
    constexpr std::uint64_t kEvents = 3 * NumberedQueue<int>::kSweepMin;
    publish(kEvents);
    for (std::uint64_t number = 1; number <= kEvents; ++number) {
        ASSERT_EQ(service.next()->number, number);
        if (number != 1 && number != 2'000) {
            ASSERT_TRUE(service.settle(number));
        }
    }
    await_queued("billing", 2);
    EXPECT_EQ(ask_service("billing")["external"]["open"], 2);
    ASSERT_TRUE(service.settle(2'000));
    ASSERT_TRUE(service.settle(1));
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), kEvents);
    ASSERT_TRUE(service.settle(2'000));
    EXPECT_EQ(service.refusal(), "delivery 2000 was settled, which is not open");
}

// "Not now" is a failed attempt of the event, and none of the service.
TEST_F(ExternalTest, TriesAgainWhatCouldNotBeDoneNow) {
    options_.coordinator.breaker.failures_in_a_row = 1;
    start();
    RawService service(socket_);
    ASSERT_TRUE(service.subscribe("billing", 1));
    publish(1);

    for (std::uint64_t number = 1; number <= 2; ++number) {
        const auto delivery = service.next();
        ASSERT_TRUE(delivery);
        EXPECT_EQ(delivery->event.attempt, number);
        ASSERT_TRUE(service.settle(number, {.outcome = Outcome::failed, .not_now = true}));
    }
    EXPECT_EQ(service.next()->event.attempt, 3u);
    EXPECT_EQ(ask_service("billing")["breaker"], "closed");
    ASSERT_TRUE(service.settle(3));
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 1u);
}

TEST_F(ExternalTest, BuriesWhatFailsEachTimeWithItsReason) {
    options_.coordinator.retry.attempts_max = 2;
    start();
    RawService service(socket_);
    ASSERT_TRUE(service.subscribe("billing", 1));
    publish(1);

    for (std::uint64_t number = 1; number <= 2; ++number) {
        ASSERT_TRUE(service.next());
        ASSERT_TRUE(service.settle(number, {Outcome::failed, {}, "no such account"}));
    }
    ASSERT_TRUE(client_->drain(kGenerousLimit));

    EXPECT_EQ(acknowledgements_.count(Outcome::failed), 1u);
    const auto letters = ask("dead_letters")["dead_letters"];
    ASSERT_EQ(letters.size(), 1u);
    EXPECT_EQ(letters[0]["reason"], "no such account");
    EXPECT_EQ(letters[0]["attempts"], 2);
}

TEST_F(ExternalTest, ARejectionIsTheEnd) {
    start();
    RawService service(socket_);
    ASSERT_TRUE(service.subscribe("billing", 1));
    publish(1);
    ASSERT_TRUE(service.next());
    ASSERT_TRUE(service.settle(1, {Outcome::rejected, {}, "no amount"}));
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::rejected), 1u);
}

TEST_F(ExternalTest, AnswersRequests) {
    start();
    RawService service(socket_);
    ASSERT_TRUE(service.subscribe("billing", 1));
    Result<Response> response;
    std::jthread requester(
        [&] { response = client_->request(make_event("how much?"), kGenerousLimit); });
    ASSERT_EQ(service.next()->event.payload, "how much?");
    ASSERT_TRUE(service.settle(1, {Outcome::handled, "42", {}}));
    requester.join();

    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->outcome, Outcome::handled);
    EXPECT_EQ(response->payload, "42");
}

// What a service had when it died goes to another of its category before what only waited, each in
// order, and says that it was given out before.
TEST_F(ExternalTest, HandsTheEventsOfADeadServiceToAnother) {
    start();
    auto first = std::make_unique<RawService>(socket_);
    ASSERT_TRUE(first->subscribe("first", 3));
    publish(6);
    EXPECT_EQ(payloads(first->next(3)), (std::vector<std::string>{"0", "1", "2"}));
    ASSERT_TRUE(first->settle(1));
    EXPECT_EQ(first->next()->event.payload, "3");
    RawService second(socket_);
    ASSERT_TRUE(second.subscribe("second", 10));
    first.reset();

    const auto deliveries = second.next(5);

    EXPECT_EQ(payloads(deliveries), (std::vector<std::string>{"1", "2", "3", "4", "5"}));
    EXPECT_EQ(attempts(deliveries), (std::vector<std::uint32_t>{2, 2, 2, 1, 1}));
    for (std::uint64_t number = 1; number <= 5; ++number) ASSERT_TRUE(second.settle(number));
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 6u);
    EXPECT_EQ(ask_service("second")["external"]["redelivered"], 3);
    EXPECT_EQ(ask_service("first")["failed"], 3);
}

// Alone in its category it finds all that waits for it when it comes back, in order.
TEST_F(ExternalTest, KeepsTheEventsOfADeadServiceForItsReturn) {
    start();
    {
        RawService service(socket_);
        ASSERT_TRUE(service.subscribe("billing", 2));
        publish(3);
        (void)service.next(2);
    }
    await_away("billing");
    publish(1);
    RawService service(socket_);
    ASSERT_TRUE(service.subscribe("billing", 10));

    const auto deliveries = service.next(4);

    EXPECT_EQ(payloads(deliveries), (std::vector<std::string>{"0", "1", "2", "3"}));
    EXPECT_EQ(attempts(deliveries), (std::vector<std::uint32_t>{2, 2, 1, 1}));
    for (std::uint64_t number = 1; number <= 4; ++number) ASSERT_TRUE(service.settle(number));
    ASSERT_TRUE(client_->drain(kGenerousLimit));
}

// Who comes while another is away gets that one's events.
TEST_F(ExternalTest, HandsWhatWaitsToANewcomer) {
    start();
    {
        RawService service(socket_);
        ASSERT_TRUE(service.subscribe("first", 1));
        publish(2);
        (void)service.next(1);
    }
    await_away("first");
    RawService second(socket_);
    ASSERT_TRUE(second.subscribe("second", 10));
    EXPECT_EQ(payloads(second.next(2)), (std::vector<std::string>{"0", "1"}));
    ASSERT_TRUE(second.settle(1));
    ASSERT_TRUE(second.settle(2));
    ASSERT_TRUE(client_->drain(kGenerousLimit));
}

// An event that kills its service each time does not do so forever.
TEST_F(ExternalTest, BuriesWhatKillsItsService) {
    options_.coordinator.retry.attempts_max = 3;
    start();
    for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
        RawService service(socket_);
        ASSERT_TRUE(service.subscribe("billing", 1));
        if (attempt == 1) publish(1);
        EXPECT_EQ(service.next()->event.attempt, attempt);
        if (attempt == 3) break;
        service.client().shut();
        await_away("billing");
    }
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::failed), 1u);
    EXPECT_EQ(ask("dead_letters")["dead_letters"][0]["reason"],
              "its service went away while it had it");
}

// After the grace time nobody is waited for: what a service may have handled is a dead letter, what
// it never had is rejected, and so is what comes then.
TEST_F(ExternalTest, EndsWhatWaitsInVain) {
    options_.external.grace = std::chrono::milliseconds(1);
    start();
    {
        RawService service(socket_);
        ASSERT_TRUE(service.subscribe("billing", 1));
        publish(3);
        (void)service.next(1);
    }
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::failed), 1u);
    EXPECT_EQ(acknowledgements_.count(Outcome::rejected), 2u);
    EXPECT_EQ(ask("dead_letters")["held"], 1);

    const auto late = client_->request(make_event("late"), kGenerousLimit);
    ASSERT_TRUE(late);
    EXPECT_EQ(late->outcome, Outcome::rejected);
    EXPECT_EQ(late->reason, "no service for this event");
    EXPECT_EQ(ask_service("billing"), nullptr);
}

// An expected service is waited for from the start, and rules may name it.
TEST_F(ExternalTest, WaitsForAnExpectedService) {
    const auto rules = directory_.path() / "rules.toml";
    ASSERT_TRUE(base::write_file(rules, R"(version = 1
[[rule]]
id = "money"
type = "invoice.*"
deliver = ["billing"]
)"));
    options_.coordinator.rules = rules;
    options_.external.expected = {{"billing", {Category::custom}}};
    start();
    publish(1);
    Event ruled = make_event("ruled");
    ruled.category = Category::database;
    ruled.type = "invoice.sent";
    publish(ruled);
    RawService service(socket_);
    ASSERT_TRUE(service.subscribe("billing", 10));
    EXPECT_EQ(payloads(service.next(2)), (std::vector<std::string>{"0", "ruled"}));
    ASSERT_TRUE(service.settle(1));
    ASSERT_TRUE(service.settle(2));
    ASSERT_TRUE(client_->drain(kGenerousLimit));
}

// A delivery that is not settled in time is a failed attempt, and its service gets nothing that
// another can take, until it has settled that one after all.
TEST_F(ExternalTest, DoesNotWaitForASlowService) {
    options_.external.timeout = std::chrono::milliseconds(300);
    start();
    RawService slow(socket_);
    ASSERT_TRUE(slow.subscribe("slow", 2));
    publish(1);
    ASSERT_TRUE(slow.next());
    RawService quick(socket_);
    ASSERT_TRUE(quick.subscribe("quick", 1000));
    const auto again = quick.next();
    ASSERT_TRUE(again);
    EXPECT_EQ(again->event.payload, "0");
    EXPECT_EQ(again->event.attempt, 2u);
    ASSERT_TRUE(quick.settle(1));
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(ask_service("slow")["external"]["late"], 1);
    EXPECT_EQ(ask_service("slow")["external"]["open"], 1);

    // From as many sources as it takes to reach both, if both were asked.
    for (int i = 0; i < 4; ++i) publish(1, "client-" + std::to_string(i));
    for (const auto& delivery : quick.next(4)) ASSERT_TRUE(quick.settle(delivery.number));
    ASSERT_TRUE(client_->drain(kGenerousLimit));

    ASSERT_TRUE(slow.settle(1));
    Event named = make_event("named");
    named.targets = {"slow"};
    publish(named);
    EXPECT_EQ(slow.next()->number, 2u);
    ASSERT_TRUE(slow.settle(2));
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 6u);
}

// One that settles nothing at all is taken for dead.
TEST_F(ExternalTest, EndsAServiceThatSettlesNothing) {
    options_.external.timeout = std::chrono::milliseconds(20);
    options_.coordinator.retry.attempts_max = 1;
    start();
    RawService service(socket_);
    ASSERT_TRUE(service.subscribe("billing", 2));
    publish(2);
    (void)service.next(2);
    EXPECT_EQ(service.refusal(), "none of 2 events was settled in time");
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::failed), 2u);
    EXPECT_EQ(ask("dead_letters")["dead_letters"][0]["reason"],
              "its service did not settle it within 0.02 s");
}

// An event whose deadline passes while it waits for a service ends as expired.
TEST_F(ExternalTest, DoesNotDeliverWhatHasExpired) {
    start();
    RawService service(socket_);
    ASSERT_TRUE(service.subscribe("billing", 1));
    publish(1);
    ASSERT_TRUE(service.next());
    Event brief = make_event("brief");
    brief.deadline = base::wall_now();
    publish(brief);
    publish(1);
    ASSERT_TRUE(service.settle(1));
    EXPECT_EQ(service.next()->event.payload, "2");
    ASSERT_TRUE(service.settle(2));
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::expired), 1u);
}

// A service that leaves in order settles what it has, and gets nothing more.
TEST_F(ExternalTest, LeavesInOrder) {
    start();
    RawService leaving(socket_);
    ASSERT_TRUE(leaving.subscribe("leaving", 1));
    publish(3);
    ASSERT_TRUE(leaving.next());
    ASSERT_TRUE(leaving.send(protocol::Kind::unsubscribe));
    const auto last = leaving.client().receive();
    ASSERT_TRUE(last);
    EXPECT_EQ(last->header.kind, protocol::Kind::unsubscribe);
    RawService staying(socket_);
    ASSERT_TRUE(staying.subscribe("staying", 10));
    EXPECT_EQ(payloads(staying.next(2)), (std::vector<std::string>{"1", "2"}));
    ASSERT_TRUE(staying.settle(1));
    ASSERT_TRUE(staying.settle(2));
    ASSERT_TRUE(leaving.settle(1));
    ASSERT_TRUE(leaving.send(protocol::Kind::goodbye));
    const auto goodbye = leaving.client().receive();
    ASSERT_TRUE(goodbye);
    EXPECT_EQ(goodbye->header.kind, protocol::Kind::goodbye);
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 3u);
}

// A daemon that stops has its services finish what it accepted.
TEST_F(ExternalTest, StopsWhenItsServicesHaveSettled) {
    start();
    RawService service(socket_);
    ASSERT_TRUE(service.subscribe("billing", 1));
    publish(2);
    ASSERT_TRUE(service.next());
    await_queued("billing", 2);
    server_->request_stop();
    ASSERT_TRUE(service.settle(1));
    ASSERT_TRUE(service.next());
    ASSERT_TRUE(service.settle(2));
    const auto goodbye = service.client().receive();
    ASSERT_TRUE(goodbye);
    EXPECT_EQ(goodbye->header.kind, protocol::Kind::goodbye);
    thread_.join();
    EXPECT_TRUE(ended_) << ended_.error().message;
    (void)client_->drain(kGenerousLimit);
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 2u);
}

// When it stops nobody can come back: what waits for somebody ends.
TEST_F(ExternalTest, DoesNotStopForAServiceThatIsAway) {
    start();
    {
        RawService service(socket_);
        ASSERT_TRUE(service.subscribe("billing", 1));
        publish(2);
        ASSERT_TRUE(service.next());
        await_queued("billing", 2);
    }
    await_away("billing");
    ASSERT_TRUE(stop());
    (void)client_->drain(kGenerousLimit);
    EXPECT_EQ(acknowledgements_.count(Outcome::failed), 1u);
    EXPECT_EQ(acknowledgements_.count(Outcome::rejected), 1u);
}

// A service's mistakes: one clear line, the end of its session, and nobody else notices.
TEST_F(ExternalTest, RefusesWhatServicesMayNotDo) {
    options_.external.places_max = 2;
    start();
    RawService good(socket_);
    ASSERT_TRUE(good.subscribe("good", 10));
    const auto refused = [&](std::string name, std::uint32_t credits,
                             std::vector<Category> categories = {Category::custom}) {
        RawService service(socket_);
        service.send_subscription(name, credits, std::move(categories));
        return service.refusal();
    };
    EXPECT_THAT(refused("good", 1), HasSubstr("a service named good is connected: session "));
    EXPECT_EQ(refused("database-1", 1), "database-1 is one of the daemon's own services");
    EXPECT_EQ(refused("no spaces", 1),
              "a service's name is 1 to 64 letters, digits, '.', '_' or '-', and begins with a "
              "letter or digit");
    EXPECT_EQ(refused("bad", 0), "0 credits: 1 to 65536 are allowed");
    EXPECT_EQ(refused("bad", 1, {}), "a service serves at least one category");

    const auto after = [&](auto mistake) {
        RawService service(socket_);
        EXPECT_TRUE(service.subscribe("bad", 2, {Category::system}));
        EXPECT_EQ(refused("third", 1),
                  "no place is left for another external service: there are 2");
        mistake(service);
        const auto reason = service.refusal();
        await_away("bad");
        return reason;
    };
    EXPECT_EQ(after([](RawService& service) { service.settle(1); }),
              "delivery 1 was settled, which is not open");
    EXPECT_EQ(after([this](RawService& service) {
                  Event event = make_event("x");
                  event.targets = {"bad"};
                  publish(event);
                  ASSERT_TRUE(service.next());
                  service.settle(1);
                  service.settle(1);
              }),
              "delivery 1 was settled, which is not open");
    EXPECT_EQ(after([](RawService& service) { service.send(protocol::Kind::grant, 65535); }),
              "65535 more credits for a service with 2: at most 65536 in all");
    EXPECT_EQ(after([](RawService& service) { service.send(protocol::Kind::ask); }),
              "a frame of kind 9, which services do not send");
    EXPECT_EQ(
        after([](RawService& service) {
            protocol::Buffer out;
            ASSERT_TRUE(protocol::append_event(out, protocol::Kind::publish, 0, make_event("x")));
            service.client().send(out);
        }),
        "a frame of kind 4, which services do not send");
    RawService stranger(socket_);
    stranger.send(protocol::Kind::settle);
    EXPECT_EQ(stranger.refusal(), "a frame of kind 14, which clients do not send");

    publish(1);
    EXPECT_EQ(good.next()->event.payload, "1");
    ASSERT_TRUE(good.settle(1));
    ASSERT_TRUE(client_->drain(kGenerousLimit));
    EXPECT_EQ(acknowledgements_.count(Outcome::handled), 2u);
}

TEST_F(ExternalTest, TakesNoneWhereNoneAreAllowed) {
    options_.external.places_max = 0;
    start();
    RawService service(socket_);
    service.send_subscription("billing", 1);
    EXPECT_EQ(service.refusal(), "no place is left for another external service: there are 0");
}

}  // namespace
}  // namespace crucible::runtime
