// The exchange and instances outside its process, with the test as who carries events to them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <span>
#include <thread>

#include "exchange_fixture.h"

namespace crucible::runtime {
namespace {

using ::testing::ElementsAre;
using testing::event_of;
using testing::GatedService;
using testing::impatient;
using testing::kGenerousLimit;
using testing::make_event;
using ::testing::UnorderedElementsAre;

/// An exchange over external places and, where asked for, a service of its own for `custom`.
class Carrier {
public:
    explicit Carrier(ExchangeOptions options = impatient(3), bool with_own = false) {
        services_ = *ServiceSet::open({.data_directory = {}, .work = Work::none});
        if (with_own) {
            auto own = std::make_unique<GatedService>("own");
            own_ = own.get();
            EXPECT_TRUE(services_->add(std::move(own)));
        }
        EXPECT_TRUE(services_->make_external_places(2));
        exchange_.emplace(
            options, *services_,
            [this](std::span<const Completion> completions) {
                const std::lock_guard lock(mutex_);
                for (const auto& completion : completions)
                    ends_.push_back({completion.token, completion.result->outcome});
            },
            [this](std::size_t instance) {
                const std::lock_guard lock(mutex_);
                calls_.push_back(instance);
            });
    }

    std::size_t connect(const std::string& name, Category category = Category::custom) {
        const auto place = services_->external().take(name, {&category, 1});
        EXPECT_TRUE(place);
        const std::size_t instance = services_->services().size() + *place;
        exchange_->set_health(instance, Health::healthy);
        return instance;
    }
    void lose(std::size_t instance, std::vector<TaskPtr> unanswered) {
        exchange_->set_health(instance, Health::unhealthy);
        exchange_->lose(instance, std::move(unanswered));
    }
    void publish(std::uint8_t number, Priority priority = Priority::normal,
                 std::optional<WallTime> deadline = {}) {
        Event event = event_of(number, std::to_string(number), priority);
        event.deadline = deadline;
        const auto taken =
            exchange_->take({event.id, view_of(event), 7, number, base::monotonic_now()},
                            *exchange_->rules().table(), [&](Event& target) -> Result<> {
                                target = event;
                                return {};
                            });
        EXPECT_TRUE(taken && !*taken);
    }
    std::vector<TaskPtr> take(std::size_t instance, std::size_t count = 100) {
        std::vector<TaskPtr> tasks;
        more_ = exchange_->take_waiting(instance, count, tasks);
        return tasks;
    }
    void end(std::vector<TaskPtr> tasks, const HandleResult& result = {}) {
        std::vector<HandleResult> results(tasks.size(), result);
        exchange_->attempted(tasks, results);
    }
    Exchange& exchange() { return *exchange_; }
    ServiceSet& services() { return *services_; }
    GatedService& own() { return *own_; }
    bool more() const { return more_; }
    std::size_t calls() {
        const std::lock_guard lock(mutex_);
        return calls_.size();
    }
    std::vector<std::pair<std::uint64_t, Outcome>> ends() {
        const std::lock_guard lock(mutex_);
        return ends_;
    }
    InstanceReport report(std::size_t instance) {
        for (auto& report : exchange_->instances())
            if (report.index == instance) return report;
        ADD_FAILURE() << "no instance " << instance;
        return {};
    }

private:
    std::unique_ptr<ServiceSet> services_;
    GatedService* own_ = nullptr;
    std::mutex mutex_;
    std::vector<std::pair<std::uint64_t, Outcome>> ends_;
    std::vector<std::size_t> calls_;
    bool more_ = false;
    std::optional<Exchange> exchange_;
};

std::vector<std::string> texts(const std::vector<TaskPtr>& tasks) {
    std::vector<std::string> all;
    for (const auto& task : tasks)
        all.push_back(task->event.payload + "/" + std::to_string(task->event.attempt));
    return all;
}

// Whoever carries is called once for what waits, and again only when it has taken all of it.
TEST(ExchangeExternal, CallsWhenSomethingWaitsAgain) {
    Carrier carrier;
    const auto instance = carrier.connect("a");
    carrier.publish(1);
    carrier.publish(2);
    carrier.publish(3);
    EXPECT_EQ(carrier.calls(), 1u);
    auto first = carrier.take(instance, 2);
    EXPECT_TRUE(carrier.more());
    carrier.publish(4);
    EXPECT_EQ(carrier.calls(), 1u);
    auto rest = carrier.take(instance);
    EXPECT_FALSE(carrier.more());
    EXPECT_THAT(texts(rest), ElementsAre("3/1", "4/1"));
    carrier.publish(5);
    EXPECT_EQ(carrier.calls(), 2u);
    EXPECT_EQ(carrier.report(instance).events, 5u);
    carrier.end(std::move(first));
    EXPECT_EQ(carrier.report(instance).events, 3u);
    carrier.end(std::move(rest));
    carrier.end(carrier.take(instance));
    EXPECT_EQ(carrier.report(instance).events, 0u);
    EXPECT_EQ(carrier.report(instance).handed_over, 5u);
    EXPECT_EQ(carrier.ends().size(), 5u);
}

// What was unanswered comes first, within its priority.
TEST(ExchangeExternal, KeepsTheOrderAcrossALoss) {
    Carrier carrier;
    const auto instance = carrier.connect("a");
    carrier.publish(1);
    carrier.publish(2);
    auto unanswered = carrier.take(instance);
    carrier.publish(3);
    carrier.publish(4, Priority::high);
    carrier.lose(instance, std::move(unanswered));
    carrier.publish(5);
    EXPECT_EQ(carrier.report(instance).events, 5u);
    auto again = carrier.take(instance);
    EXPECT_THAT(texts(again), ElementsAre("4/1", "1/2", "2/2", "3/1", "5/1"));
    carrier.end(std::move(again));
    EXPECT_TRUE(carrier.exchange().drain(kGenerousLimit));
    EXPECT_EQ(carrier.report(instance).events, 0u);
}

// However much it had in its hands, it died once.
TEST(ExchangeExternal, ALossIsOneFailureOfTheInstance) {
    auto options = impatient(3);
    options.breaker.failures_in_a_row = 2;
    Carrier carrier(options);
    const auto instance = carrier.connect("a");
    for (std::uint8_t number = 1; number <= 10; ++number) carrier.publish(number);
    carrier.lose(instance, carrier.take(instance));
    EXPECT_EQ(carrier.report(instance).breaker, CircuitBreaker::State::closed);
    EXPECT_EQ(carrier.report(instance).failed, 10u);
    carrier.lose(instance, carrier.take(instance));
    EXPECT_EQ(carrier.report(instance).breaker, CircuitBreaker::State::open);
    // They were accepted before: it gets them all the same, for the last time.
    carrier.lose(instance, carrier.take(instance));
    EXPECT_TRUE(carrier.exchange().drain(kGenerousLimit));
    EXPECT_EQ(carrier.exchange().report().dead_letters.held, 10u);
}

// Others of the category take over what nobody else has to have: here one of the process's own.
TEST(ExchangeExternal, OthersTakeOver) {
    Carrier carrier(impatient(3), /*with_own=*/true);
    const auto instance = carrier.connect("a");
    // Of these sources each has one of the two.
    Event event = make_event("x");
    std::size_t theirs = 0;
    for (std::uint8_t i = 0; i < 4; ++i) {
        event.source = "client-" + std::to_string(i);
        event.id.bytes[0] = static_cast<std::uint8_t>(i + 1);
        theirs += *carrier.services().route(event) == instance ? 1u : 0u;
        const auto taken = carrier.exchange().take(
            {event.id, view_of(event), 7, i, base::monotonic_now()},
            *carrier.exchange().rules().table(), [&](Event& target) -> Result<> {
                target = event;
                return {};
            });
        ASSERT_TRUE(taken && !*taken);
    }
    ASSERT_EQ(theirs, 2u);
    auto unanswered = carrier.take(instance, 1);
    carrier.lose(instance, std::move(unanswered));
    EXPECT_TRUE(carrier.exchange().drain(kGenerousLimit));
    EXPECT_EQ(carrier.own().payloads().size(), 4u);
    EXPECT_EQ(carrier.ends().size(), 4u);
    EXPECT_EQ(carrier.report(instance).events, 0u);
}

// Nobody is waited for any longer: what was given out may have been handled, the rest was not.
TEST(ExchangeExternal, EndsWhatNobodyIsThereFor) {
    Carrier carrier;
    const auto instance = carrier.connect("a");
    carrier.publish(1);
    auto unanswered = carrier.take(instance);
    carrier.publish(2);
    carrier.lose(instance, std::move(unanswered));
    EXPECT_TRUE(carrier.ends().empty());
    carrier.services().external().leave(0);
    carrier.exchange().reassign(instance);
    EXPECT_TRUE(carrier.exchange().drain(kGenerousLimit));
    EXPECT_THAT(carrier.ends(), ElementsAre(std::pair{std::uint64_t{1}, Outcome::failed},
                                            std::pair{std::uint64_t{2}, Outcome::rejected}));
    EXPECT_EQ(carrier.exchange().report().dead_letters.held, 1u);
    // Published again the rejected one is no repeat.
    const auto next = carrier.connect("a");
    carrier.publish(2);
    EXPECT_THAT(texts(carrier.take(next)), ElementsAre("2/1"));
}

// What waits for its next attempt when its service is given up may not reach whoever has the place
// then.
TEST(ExchangeExternal, AnothersPlaceIsNotItsOwn) {
    ExchangeOptions options;
    options.retry = {.attempts_max = 3,
                     .base = std::chrono::milliseconds(50),
                     .cap = std::chrono::milliseconds(50)};
    Carrier carrier(options);
    const auto instance = carrier.connect("a");
    (void)carrier.connect("b", Category::mcp);  // so that there is one place alone
    carrier.publish(1);
    carrier.end(carrier.take(instance), {Outcome::failed, {}, "broken"});
    carrier.services().external().leave(0);
    carrier.exchange().reassign(instance);
    ASSERT_EQ(carrier.connect("c", Category::system), instance);
    EXPECT_TRUE(carrier.exchange().drain(kGenerousLimit));
    EXPECT_THAT(carrier.ends(), ElementsAre(std::pair{std::uint64_t{1}, Outcome::failed}));
    EXPECT_TRUE(carrier.take(instance).empty());
}

// Its last attempt is still to come: that its service is left alone meanwhile is none.
TEST(ExchangeExternal, AnOpenBreakerTakesNoAttempts) {
    auto options = impatient(2);
    options.breaker = {.failures_in_a_row = 1, .open_for = std::chrono::milliseconds(20)};
    Carrier carrier(options);
    const auto instance = carrier.connect("a");
    carrier.publish(1);
    carrier.end(carrier.take(instance), {Outcome::failed, {}, "broken"});
    carrier.publish(2);  // nobody else can have it: it waits as well
    while (carrier.report(instance).events == 0 && carrier.ends().empty())
        std::this_thread::yield();
    auto probe = carrier.take(instance);
    ASSERT_EQ(probe.size(), 1u) << "one at a time";
    carrier.end(std::move(probe));
    while (carrier.report(instance).events == 0 && carrier.ends().size() < 2)
        std::this_thread::yield();
    carrier.end(carrier.take(instance));
    EXPECT_TRUE(carrier.exchange().drain(kGenerousLimit));
    EXPECT_THAT(carrier.ends(),
                UnorderedElementsAre(std::pair{std::uint64_t{1}, Outcome::handled},
                                     std::pair{std::uint64_t{2}, Outcome::handled}));
    EXPECT_EQ(carrier.exchange().report().dead_letters.held, 0u);
}

// One that fails for good may not fill the whole queue: beyond what an instance may have, its
// events use up their attempts.
TEST(ExchangeExternal, SoManyAsAnInstanceMayHaveAwaitItsBreaker) {
    auto options = impatient(2);
    options.breaker = {.failures_in_a_row = 1, .open_for = std::chrono::hours(1)};
    options.dispatch.service_events_max = 2;
    Carrier carrier(options);
    const auto instance = carrier.connect("a");
    carrier.publish(1);
    carrier.end(carrier.take(instance), {Outcome::failed, {}, "broken"});
    for (std::uint8_t number = 2; number <= 5; ++number) carrier.publish(number);
    while (carrier.ends().size() < 3) std::this_thread::yield();
    EXPECT_EQ(carrier.exchange().stats().queued, 2u);
    carrier.exchange().end_scheduled();
    EXPECT_TRUE(carrier.exchange().drain(kGenerousLimit));
    for (const auto& [number, outcome] : carrier.ends())
        EXPECT_EQ(outcome, Outcome::failed) << number;
    EXPECT_EQ(carrier.ends().size(), 5u);
}

// Who stops does not wait for a circuit breaker, and neither does a deadline.
TEST(ExchangeExternal, NobodyWaitsForABreakerWithoutEnd) {
    auto options = impatient(2);
    options.breaker = {.failures_in_a_row = 1, .open_for = std::chrono::hours(1)};
    Carrier carrier(options);
    const auto instance = carrier.connect("a");
    carrier.publish(1);
    carrier.end(carrier.take(instance), {Outcome::failed, {}, "broken"});
    carrier.publish(2, Priority::normal, base::wall_now() + std::chrono::milliseconds(1));
    while (carrier.ends().empty()) std::this_thread::yield();
    EXPECT_THAT(carrier.ends(), ElementsAre(std::pair{std::uint64_t{2}, Outcome::expired}));
    carrier.exchange().end_scheduled();
    EXPECT_TRUE(carrier.exchange().drain(kGenerousLimit));
    EXPECT_EQ(carrier.ends().back(), (std::pair{std::uint64_t{1}, Outcome::failed}));
}

// Nobody was given it.
TEST(ExchangeExternal, WhatExpiredWhileItWaitedIsNoAttempt) {
    Carrier carrier;
    const auto instance = carrier.connect("a");
    carrier.publish(1, Priority::normal, base::wall_now() - std::chrono::hours(1));
    carrier.publish(2);
    carrier.end(carrier.take(instance));
    EXPECT_EQ(carrier.ends().size(), 2u);
    EXPECT_EQ(carrier.report(instance).handed_over, 1u);
}

// "Not now" counts as an attempt, and not against the circuit breaker.
TEST(ExchangeExternal, NotNowSaysNothingOfTheInstance) {
    auto options = impatient(2);
    options.breaker.failures_in_a_row = 1;
    Carrier carrier(options);
    const auto instance = carrier.connect("a");
    carrier.publish(1);
    carrier.end(carrier.take(instance), {.outcome = Outcome::failed, .not_now = true});
    while (carrier.report(instance).events == 0) std::this_thread::yield();  // the retry
    EXPECT_EQ(carrier.report(instance).breaker, CircuitBreaker::State::closed);
    carrier.end(carrier.take(instance), {.outcome = Outcome::failed, .not_now = true});
    EXPECT_TRUE(carrier.exchange().drain(kGenerousLimit));
    EXPECT_EQ(carrier.report(instance).breaker, CircuitBreaker::State::closed);
    EXPECT_EQ(carrier.exchange().report().dead_letters.held, 1u);
}

TEST(ExchangeExternal, WhatFailedForGoodIsNotTriedAgain) {
    auto options = impatient(4);
    options.breaker.failures_in_a_row = 1;
    Carrier carrier(options);
    const auto instance = carrier.connect("a");
    carrier.publish(1);
    carrier.end(carrier.take(instance), {.outcome = Outcome::failed, .for_good = true});
    EXPECT_TRUE(carrier.exchange().drain(kGenerousLimit));
    EXPECT_THAT(carrier.ends(), ElementsAre(std::pair{std::uint64_t{1}, Outcome::failed}));
    EXPECT_EQ(carrier.report(instance).breaker, CircuitBreaker::State::closed);
    EXPECT_EQ(carrier.exchange().report().dead_letters.held, 1u);
}

}  // namespace
}  // namespace crucible::runtime
