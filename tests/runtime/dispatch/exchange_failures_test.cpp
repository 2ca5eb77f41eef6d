// Exchange: failures, retries, dead letters and circuit breakers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "exchange_fixture.h"

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::event_of;
using testing::ExchangeFixture;
using testing::impatient;
using testing::kGenerousLimit;
using testing::once;

// A failure is tried again, and an event that succeeds then is handled like any other.
TEST(Exchange, TriesAFailureAgain) {
    class Flaky final : public Service {
    public:
        std::string_view name() const noexcept override { return "flaky"; }
        Category category() const noexcept override { return Category::custom; }
        void handle(std::span<const Event* const> events,
                    std::span<HandleResult> results) override {
            for (std::size_t i = 0; i < events.size(); ++i) {
                attempts_.push_back(events[i]->attempt);
                if (events[i]->attempt < 3) results[i] = {Outcome::failed, {}, "not yet"};
            }
        }
        std::vector<std::uint32_t> attempts_;  // one worker
    };
    const auto services = *ServiceSet::open({.data_directory = {}, .work = Work::none});
    auto flaky = std::make_unique<Flaky>();
    const auto& attempts = flaky->attempts_;
    ASSERT_TRUE(services->add(std::move(flaky)));
    std::vector<Outcome> ends;
    auto options = impatient(4);
    options.dispatch.workers = 1;
    Exchange exchange(options, *services, [&](std::span<const Completion> completions) {
        for (const auto& completion : completions) ends.push_back(completion.result->outcome);
    });
    const Event event = event_of(1);
    const auto fill = [&](Event& target) -> Result<> {
        target = event;
        return {};
    };
    ASSERT_TRUE(exchange.take({event.id, view_of(event), 0, 0, base::monotonic_now()},
                              *exchange.rules().table(), fill));
    ASSERT_TRUE(exchange.drain(kGenerousLimit));

    EXPECT_THAT(attempts, ElementsAre(1u, 2u, 3u));
    EXPECT_THAT(ends, ElementsAre(Outcome::handled));
    EXPECT_EQ(exchange.report().retries, 2u);
    EXPECT_EQ(exchange.report().dead_letters.held, 0u);
    const auto instances = exchange.instances();
    EXPECT_EQ(instances.back().handed_over, 3u);
    EXPECT_EQ(instances.back().failed, 2u);
}

// After the last attempt the event is kept for people, and replayed it is handled as new.
TEST(Exchange, KeepsWhatFailedForGoodAndReplaysIt) {
    ExchangeFixture fixture(impatient(2));
    ASSERT_TRUE(fixture.taken(event_of(1, "fail"), 1));
    ASSERT_TRUE(fixture.drain());

    EXPECT_EQ(fixture.count(Outcome::failed), 1u);
    std::uint64_t number = 0;
    fixture.exchange().read_dead_letters([&](const std::deque<DeadLetter>& letters) {
        ASSERT_EQ(letters.size(), 1u);
        number = letters[0].number;
        EXPECT_EQ(letters[0].id, event_of(1).id);
        EXPECT_EQ(letters[0].reason, "asked to fail");
        EXPECT_EQ(letters[0].attempts, 2u);
        EXPECT_LE(letters[0].first_failed, letters[0].last_failed);
    });

    ASSERT_TRUE(fixture.exchange().replay(number));
    ASSERT_TRUE(fixture.drain());

    EXPECT_EQ(fixture.service().payloads().size(), 4u) << "two attempts, twice";
    EXPECT_EQ(fixture.told().size(), 1u) << "nobody waits for a replay";
    EXPECT_EQ(fixture.exchange().report().dead_letters.held, 1u) << "it has failed again";
    EXPECT_FALSE(fixture.exchange().replay(number));
    EXPECT_TRUE(fixture.exchange().discard(number + 1));
    EXPECT_EQ(fixture.exchange().report().dead_letters.held, 0u);
}

/// Fails what has a deadline, once that has passed.
class LateService final : public Service {
public:
    std::string_view name() const noexcept override { return "late"; }
    Category category() const noexcept override { return Category::custom; }
    void handle(std::span<const Event* const> events, std::span<HandleResult> results) override {
        for (std::size_t i = 0; i < events.size(); ++i) {
            deadlines_.push_back(events[i]->deadline);  // one worker
            if (!events[i]->deadline) continue;
            while (base::wall_now() <= *events[i]->deadline && events[i]->payload == "wait")
                std::this_thread::yield();
            results[i] = {Outcome::failed, {}, "too late"};
        }
    }
    std::vector<std::optional<WallTime>> deadlines_;
};

// A letter is late as a rule. Replayed it would expire, and be no letter any more: it is handled
// all the same, and by its deadline where that is still to come.
TEST(Exchange, ReplaysALetterWhoseDeadlineHasPassed) {
    const auto services = *ServiceSet::open({.data_directory = {}, .work = Work::none});
    auto late = std::make_unique<LateService>();
    const auto& deadlines = late->deadlines_;
    ASSERT_TRUE(services->add(std::move(late)));
    auto options = once();
    options.dispatch.workers = 1;
    Exchange exchange(options, *services, [](std::span<const Completion>) {});
    const auto publish = [&](std::uint8_t number, const char* payload, Duration limit) {
        Event event = event_of(number, payload);
        event.deadline = base::wall_now() + limit;
        EXPECT_TRUE(exchange.take({event.id, view_of(event), kNobody, 0, base::monotonic_now()},
                                  *exchange.rules().table(), [&](Event& target) -> Result<> {
                                      target = event;
                                      return {};
                                  }));
        EXPECT_TRUE(exchange.drain(kGenerousLimit));
        return *event.deadline;
    };
    // On a machine that is busy elsewhere it may expire before the worker has it.
    Duration limit = 5ms;
    for (std::uint8_t number = 1; exchange.report().dead_letters.held == 0; ++number, limit *= 2)
        publish(number, "wait", limit);
    ASSERT_TRUE(exchange.replay(0));
    ASSERT_TRUE(exchange.drain(kGenerousLimit));
    EXPECT_EQ(deadlines.back(), std::nullopt);
    EXPECT_EQ(exchange.stats().handled, 1u);
    EXPECT_EQ(exchange.report().dead_letters.held, 0u);

    const WallTime ahead = publish(99, "go", std::chrono::hours(1));
    ASSERT_TRUE(exchange.replay(1));
    ASSERT_TRUE(exchange.drain(kGenerousLimit));
    EXPECT_EQ(deadlines.back(), ahead);
}

// It is one letter before and after.
TEST(Exchange, AReplayThatFailsAtOnceLeavesOneLetter) {
    auto options = once();
    options.breaker.failures_in_a_row = 1;
    options.breaker.open_for = std::chrono::hours(1);
    ExchangeFixture fixture(options);
    ASSERT_TRUE(fixture.taken(event_of(1, "fail")));
    ASSERT_TRUE(fixture.drain());

    const auto replayed = fixture.exchange().replay(0);

    ASSERT_FALSE(replayed);
    EXPECT_EQ(replayed.error().message, "the circuit breaker of gated-0 is open");
    EXPECT_EQ(fixture.exchange().report().dead_letters.held, 1u);
}

// What is the event's own fault is no reason to keep other events away from the service, and a
// repeat would end likewise.
TEST(Exchange, AnImpossibleEventFailsAloneAndAtOnce) {
    auto options = impatient(4);
    options.breaker.failures_in_a_row = 2;
    options.breaker.open_for = std::chrono::hours(1);
    ExchangeFixture fixture(options);
    for (std::uint8_t i = 1; i <= 5; ++i) {
        ASSERT_TRUE(fixture.taken(event_of(i, "impossible"), i));
        ASSERT_TRUE(fixture.drain());
    }
    ASSERT_TRUE(fixture.taken(event_of(6, "valid"), 6));
    ASSERT_TRUE(fixture.drain());

    EXPECT_EQ(fixture.count(Outcome::failed), 5u);
    EXPECT_EQ(fixture.count(Outcome::handled), 1u);
    EXPECT_EQ(fixture.service().payloads().size(), 6u) << "each was tried once";
    EXPECT_EQ(fixture.exchange().instances().back().breaker, CircuitBreaker::State::closed);
    fixture.exchange().read_dead_letters([&](const std::deque<DeadLetter>& letters) {
        ASSERT_EQ(letters.size(), 5u);
        EXPECT_EQ(letters[0].reason, "it cannot be done");
        EXPECT_EQ(letters[0].attempts, 1u);
    });
}

/// Makes what it is told to, the first time not, and then uses it.
class MakingService final : public Service {
public:
    std::string_view name() const noexcept override { return "making"; }
    Category category() const noexcept override { return Category::custom; }
    void handle(std::span<const Event* const> events, std::span<HandleResult> results) override {
        for (std::size_t i = 0; i < events.size(); ++i) {
            const bool makes = events[i]->payload == "make";
            // Nothing was done for it: it does not come again as a redelivery.
            if (!makes) {
                EXPECT_EQ(events[i]->attempt, 1u);
            }
            if (makes && events[i]->attempt == 1) {
                results[i] = {Outcome::failed, {}, "not yet"};
            } else if (makes) {
                made_ = true;
            } else if (!made_) {
                results[i] = {
                    .outcome = Outcome::failed, .reason = "there is none", .for_good = true};
            }
        }
    }

private:
    bool made_ = false;  // one worker
};

// An event that needs what one before it was to make is no worse off for the other's failure.
TEST(Exchange, WaitsWithWhatAnEventBeforeItIsToMake) {
    const auto services = *ServiceSet::open({.data_directory = {}, .work = Work::none});
    ASSERT_TRUE(services->add(std::make_unique<MakingService>()));
    auto options = impatient(100);
    options.dispatch.workers = 1;
    std::vector<Outcome> ends;
    Exchange exchange(options, *services, [&](std::span<const Completion> completions) {
        for (const auto& completion : completions) ends.push_back(completion.result->outcome);
    });
    for (std::uint8_t number = 1; number <= 3; ++number) {
        const Event event = event_of(number, number == 1 ? "make" : "use");
        ASSERT_TRUE(exchange.take({event.id, view_of(event), 0, 0, base::monotonic_now()},
                                  *exchange.rules().table(), [&](Event& target) -> Result<> {
                                      target = event;
                                      return {};
                                  }));
    }
    ASSERT_TRUE(exchange.drain(kGenerousLimit));

    EXPECT_THAT(ends, ElementsAre(Outcome::handled, Outcome::handled, Outcome::handled));
}

// It says nothing of an instance on probation either: the next event is a probe again.
TEST(Exchange, AnImpossibleEventIsNoProbe) {
    auto options = once();
    options.breaker.failures_in_a_row = 1;
    options.breaker.open_for = 1ms;
    options.breaker.probes_to_close = 1;
    ExchangeFixture fixture(options);
    ASSERT_TRUE(fixture.taken(event_of(1, "fail")));
    ASSERT_TRUE(fixture.drain());
    const auto breaker = [&] { return fixture.exchange().instances().back().breaker; };
    const TimePoint until = base::monotonic_now() + kGenerousLimit;
    while (breaker() == CircuitBreaker::State::open && base::monotonic_now() < until)
        std::this_thread::yield();

    ASSERT_TRUE(fixture.taken(event_of(2, "impossible")));
    ASSERT_TRUE(fixture.drain());
    EXPECT_EQ(breaker(), CircuitBreaker::State::half_open);
    ASSERT_TRUE(fixture.taken(event_of(3, "valid")));
    ASSERT_TRUE(fixture.drain());
    EXPECT_EQ(breaker(), CircuitBreaker::State::closed);
}

// An instance that fails is left alone; the category's other one has its events meanwhile.
TEST(Exchange, ABreakerSendsEventsElsewhere) {
    auto options = once();
    options.breaker.failures_in_a_row = 2;
    options.breaker.open_for = std::chrono::hours(1);
    ExchangeFixture fixture(options, 2);
    Event probe = event_of(1, "where");
    ASSERT_TRUE(fixture.taken(probe));
    ASSERT_TRUE(fixture.drain());
    const std::size_t home = fixture.service(0).payloads().empty() ? 1 : 0;
    for (std::uint8_t i = 2; i < 4; ++i) {
        ASSERT_TRUE(fixture.taken(event_of(i, "fail")));
        ASSERT_TRUE(fixture.drain());
    }
    ASSERT_EQ(fixture.exchange().instances()[6 + home].breaker, CircuitBreaker::State::open);

    ASSERT_TRUE(fixture.taken(event_of(4, "after")));
    ASSERT_TRUE(fixture.drain());

    EXPECT_THAT(fixture.service(home).payloads(), ElementsAre("where", "fail", "fail"));
    EXPECT_THAT(fixture.service(1 - home).payloads(), ElementsAre("after"));
}

// With nobody to stand in, the event fails with that reason; once the breaker lets a probe through
// and that succeeds, events flow again.
TEST(Exchange, ABreakerLetsEventsThroughAgain) {
    auto options = once();
    options.breaker.failures_in_a_row = 1;
    options.breaker.open_for = 20ms;
    options.breaker.probes_to_close = 1;
    options.seen.events_max = 0;
    ExchangeFixture fixture(options);
    ASSERT_TRUE(fixture.taken(event_of(1, "fail")));
    ASSERT_TRUE(fixture.drain());

    const TimePoint until = base::monotonic_now() + kGenerousLimit;
    std::optional<HandleResult> refused;
    while (base::monotonic_now() < until) {
        const auto taken = fixture.take(event_of(2, "a"));
        ASSERT_TRUE(taken);
        if (!*taken) break;
        if ((*taken)->outcome == Outcome::failed && !refused) refused = **taken;
    }
    ASSERT_TRUE(fixture.drain());

    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->reason, "the circuit breaker of gated-0 is open");
    EXPECT_EQ(fixture.exchange().instances().back().breaker, CircuitBreaker::State::closed);
    EXPECT_EQ(fixture.service().payloads().back(), "a");
}

}  // namespace
}  // namespace crucible::runtime
