#include "runtime/dispatch/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "gated_service.h"

namespace crucible::runtime {
namespace {

using ::testing::ElementsAre;
using testing::GatedService;
using testing::kGenerousLimit;
using testing::make_event;

struct Ended {
    std::uint64_t owner;
    std::uint64_t token;
    Outcome outcome;
    std::string response;
    std::string reason;
};

/// A dispatcher over gated services, with the completions it delivered.
class Fixture {
public:
    explicit Fixture(const DispatcherOptions& options, std::size_t services = 1) {
        for (std::size_t i = 0; i < services; ++i) {
            services_.push_back(std::make_unique<GatedService>("gated-" + std::to_string(i)));
        }
        dispatcher_ = std::make_unique<Dispatcher>(
            options, services_, [this](std::span<const Completion> batch) {
                const std::lock_guard lock(mutex_);
                for (const auto& completion : batch) {
                    ended_.push_back({completion.owner, completion.token,
                                      completion.result->outcome, completion.result->response,
                                      completion.result->reason});
                }
            });
    }
    ~Fixture() {
        for (std::size_t i = 0; i < services_.size(); ++i) service(i).open_gate();
    }

    GatedService& service(std::size_t index = 0) {
        return static_cast<GatedService&>(*services_[index]);
    }
    Dispatcher& dispatcher() { return *dispatcher_; }
    Result<> submit(const Event& event, std::uint64_t token = 0, std::size_t service = 0) {
        return dispatcher_->submit(service, event, /*owner=*/7, token);
    }
    std::vector<Ended> ended() {
        const std::lock_guard lock(mutex_);
        return ended_;
    }

private:
    std::vector<std::unique_ptr<Service>> services_;
    std::mutex mutex_;
    std::vector<Ended> ended_;
    std::unique_ptr<Dispatcher> dispatcher_;
};

// The common case, whole: an event reaches its service and its completion says whose it was.
TEST(Dispatcher, BringsAnEventToItsServiceAndBack) {
    Fixture fixture({.workers = 1}, 2);

    ASSERT_TRUE(fixture.submit(make_event("a"), 41, 1));
    ASSERT_TRUE(fixture.dispatcher().drain(kGenerousLimit));

    EXPECT_TRUE(fixture.service(0).payloads().empty());
    EXPECT_THAT(fixture.service(1).payloads(), ElementsAre("a"));
    const auto ended = fixture.ended();
    ASSERT_EQ(ended.size(), 1u);
    EXPECT_EQ(ended[0].owner, 7u);
    EXPECT_EQ(ended[0].token, 41u);
    EXPECT_EQ(ended[0].outcome, Outcome::handled);
    EXPECT_EQ(ended[0].response, "echo a");
}

// Whatever waits when the worker comes goes in one call, so that a service can share one
// transaction; the first event did not wait for company.
TEST(Dispatcher, HandsOverWhatWaitsUpToTheBatchLimit) {
    Fixture fixture({.workers = 1, .batch_max = 3});
    fixture.service().close_gate();
    ASSERT_TRUE(fixture.submit(make_event("first")));
    ASSERT_TRUE(fixture.service().wait_for_batches(1));
    for (const char* payload : {"a", "b", "c", "d"})
        ASSERT_TRUE(fixture.submit(make_event(payload)));
    fixture.service().open_gate();
    ASSERT_TRUE(fixture.dispatcher().drain(kGenerousLimit));

    EXPECT_THAT(fixture.service().batches(),
                ElementsAre(ElementsAre("first"), ElementsAre("a", "b", "c"), ElementsAre("d")));
}

// The batch is in priority order, and in the order of publishing within one.
TEST(Dispatcher, TakesByPriorityThenByAge) {
    Fixture fixture({.workers = 1});
    fixture.service().close_gate();
    ASSERT_TRUE(fixture.submit(make_event("first")));
    ASSERT_TRUE(fixture.service().wait_for_batches(1));
    ASSERT_TRUE(fixture.submit(make_event("low", Priority::low)));
    ASSERT_TRUE(fixture.submit(make_event("normal-1")));
    ASSERT_TRUE(fixture.submit(make_event("critical", Priority::critical)));
    ASSERT_TRUE(fixture.submit(make_event("normal-2")));
    fixture.service().open_gate();
    ASSERT_TRUE(fixture.dispatcher().drain(kGenerousLimit));

    EXPECT_THAT(fixture.service().payloads(),
                ElementsAre("first", "critical", "normal-1", "normal-2", "low"));
}

// An instance is never run by two workers at once, though three are free and its events keep
// coming.
TEST(Dispatcher, RunsAnInstanceOnOneThreadAtATime) {
    class Counting final : public Service {
    public:
        std::string_view name() const noexcept override { return "counting"; }
        Category category() const noexcept override { return Category::custom; }
        void handle(std::span<const Event* const> events, std::span<HandleResult>) override {
            if (inside_.fetch_add(1) != 0) overlapped_ = true;
            for (const auto* event : events) {
                if (event->attempt != ++last_[event->source]) ordered_ = false;
            }
            inside_.fetch_sub(1);
        }
        std::atomic<int> inside_ = 0;
        std::atomic<bool> overlapped_ = false;
        std::atomic<bool> ordered_ = true;
        std::map<std::string, std::uint32_t>
            last_;  // unguarded on purpose: a second thread is a data race
    };
    std::vector<std::unique_ptr<Service>> services;
    services.push_back(std::make_unique<Counting>());
    const auto& counting = static_cast<const Counting&>(*services[0]);
    std::atomic<std::uint64_t> completions = 0;
    Dispatcher dispatcher({.workers = 4, .batch_max = 2}, services,
                          [&](std::span<const Completion> batch) { completions += batch.size(); });

    constexpr std::uint32_t kEvents = 2000;
    std::vector<std::jthread> publishers;
    for (int source = 0; source < 3; ++source) {
        publishers.emplace_back([&, source] {
            Event event = make_event("x", Priority::normal, "client-" + std::to_string(source));
            for (event.attempt = 1; event.attempt <= kEvents; ++event.attempt) {
                EXPECT_TRUE(dispatcher.submit(0, event, 0, 0));
            }
        });
    }
    publishers.clear();
    ASSERT_TRUE(dispatcher.drain(kGenerousLimit));

    EXPECT_FALSE(counting.overlapped_);
    EXPECT_TRUE(counting.ordered_) << "a source's events arrived out of order";
    EXPECT_EQ(completions, 3u * kEvents);
}

// A slow instance may not hold up another while a worker is free.
TEST(Dispatcher, RunsInstancesInParallel) {
    Fixture fixture({.workers = 2}, 2);
    fixture.service(0).close_gate();
    ASSERT_TRUE(fixture.submit(make_event("slow"), 0, 0));
    ASSERT_TRUE(fixture.service(0).wait_for_batches(1));
    ASSERT_TRUE(fixture.submit(make_event("quick"), 0, 1));

    EXPECT_TRUE(fixture.service(1).wait_for_batches(1));
}

// Beyond the limit nothing is accepted and no completion comes; room appears as events end.
TEST(Dispatcher, RefusesEventsBeyondItsLimit) {
    Fixture fixture({.workers = 1, .queue_events_max = 3});
    fixture.service().close_gate();
    for (std::uint64_t token = 0; token < 3; ++token)
        ASSERT_TRUE(fixture.submit(make_event("a"), token));

    const auto refused = fixture.submit(make_event("b"), 99);

    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::overloaded);
    fixture.service().open_gate();
    ASSERT_TRUE(fixture.dispatcher().drain(kGenerousLimit));
    EXPECT_EQ(fixture.ended().size(), 3u);
    EXPECT_TRUE(fixture.submit(make_event("c")));
}

// A few large events fill the queue as many small ones do; one alone is always let in.
TEST(Dispatcher, RefusesBytesBeyondItsLimit) {
    Fixture fixture({.workers = 1, .queue_bytes_max = 10'000});
    fixture.service().close_gate();
    ASSERT_TRUE(fixture.submit(make_event(std::string(20'000, 'x'))));

    const auto refused = fixture.submit(make_event("b"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::overloaded);

    fixture.service().open_gate();
    ASSERT_TRUE(fixture.dispatcher().drain(kGenerousLimit));
    fixture.service().close_gate();
    ASSERT_TRUE(fixture.submit(make_event(std::string(5'000, 'x'))));
    EXPECT_TRUE(fixture.submit(make_event(std::string(4'000, 'x'))));
    EXPECT_FALSE(fixture.submit(make_event(std::string(4'000, 'x'))));
}

// The deadline counts when a worker takes the event: one that is past it is not worked on.
TEST(Dispatcher, ExpiresWhatIsTakenTooLate) {
    Fixture fixture({.workers = 1});
    fixture.service().close_gate();
    ASSERT_TRUE(fixture.submit(make_event("first")));
    ASSERT_TRUE(fixture.service().wait_for_batches(1));
    Event late = make_event("late");
    late.deadline = base::wall_now() - std::chrono::hours(1);
    Event early = make_event("early");
    early.deadline = base::wall_now() + std::chrono::hours(1);
    ASSERT_TRUE(fixture.submit(late, 1));
    ASSERT_TRUE(fixture.submit(early, 2));
    ASSERT_TRUE(fixture.submit(make_event("none"), 3));
    fixture.service().open_gate();
    ASSERT_TRUE(fixture.dispatcher().drain(kGenerousLimit));

    EXPECT_THAT(fixture.service().payloads(), ElementsAre("first", "early", "none"));
    std::map<std::uint64_t, Outcome> outcomes;
    for (const auto& ended : fixture.ended()) outcomes[ended.token] = ended.outcome;
    EXPECT_EQ(outcomes[1], Outcome::expired);
    EXPECT_EQ(outcomes[2], Outcome::handled);
    EXPECT_EQ(outcomes[3], Outcome::handled);
    EXPECT_EQ(fixture.dispatcher().stats().expired, 1u);
}

// A service that throws fails its events; the worker and the other events live on.
TEST(Dispatcher, TurnsAnExceptionIntoAFailure) {
    Fixture fixture({.workers = 1});

    ASSERT_TRUE(fixture.submit(make_event("throw"), 1));
    ASSERT_TRUE(fixture.dispatcher().drain(kGenerousLimit));
    ASSERT_TRUE(fixture.submit(make_event("after"), 2));
    ASSERT_TRUE(fixture.dispatcher().drain(kGenerousLimit));

    const auto ended = fixture.ended();
    ASSERT_EQ(ended.size(), 2u);
    EXPECT_EQ(ended[0].outcome, Outcome::failed);
    EXPECT_EQ(ended[0].reason, "gated-0: it broke");
    EXPECT_EQ(ended[0].response, "");
    EXPECT_EQ(ended[1].outcome, Outcome::handled);
    EXPECT_EQ(ended[1].reason, "");
}

// An event for nobody ends like any other, with a reason, from a worker.
TEST(Dispatcher, RejectsWhatNoServiceFits) {
    Fixture fixture({.workers = 1});

    ASSERT_TRUE(fixture.submit(make_event("lost"), 5, Dispatcher::kNoService));
    ASSERT_TRUE(fixture.dispatcher().drain(kGenerousLimit));

    const auto ended = fixture.ended();
    ASSERT_EQ(ended.size(), 1u);
    EXPECT_EQ(ended[0].outcome, Outcome::rejected);
    EXPECT_EQ(ended[0].reason, "no service for this event");
}

// The ledger of a run rests on these counts: they add up at every moment.
TEST(Dispatcher, CountsEveryEventOnce) {
    Fixture fixture({.workers = 1, .queue_events_max = 5});
    fixture.service().close_gate();
    ASSERT_TRUE(fixture.submit(make_event("first")));
    ASSERT_TRUE(fixture.service().wait_for_batches(1));
    Event late = make_event("late");
    late.deadline = base::wall_now() - std::chrono::hours(1);
    ASSERT_TRUE(fixture.submit(late));
    ASSERT_TRUE(fixture.submit(make_event("fail")));
    ASSERT_TRUE(fixture.submit(make_event("x"), 0, Dispatcher::kNoService));
    ASSERT_TRUE(fixture.submit(make_event("b")));
    ASSERT_FALSE(fixture.submit(make_event("refused")));

    const auto before = fixture.dispatcher().stats();
    EXPECT_EQ(before.published, 5u);
    EXPECT_EQ(before.queued, 5u);

    fixture.service().open_gate();
    ASSERT_TRUE(fixture.dispatcher().drain(kGenerousLimit));
    const auto after = fixture.dispatcher().stats();
    EXPECT_EQ(after.published, 5u);
    EXPECT_EQ(after.handled, 2u);
    EXPECT_EQ(after.rejected, 1u);
    EXPECT_EQ(after.failed, 1u);
    EXPECT_EQ(after.expired, 1u);
    EXPECT_EQ(after.queued, 0u);
}

// drain() says when it gave up, and the same call later succeeds.
TEST(Dispatcher, DrainTimesOutWhileAnEventIsHandled) {
    Fixture fixture({.workers = 1});
    fixture.service().close_gate();
    ASSERT_TRUE(fixture.submit(make_event("a")));

    const auto early = fixture.dispatcher().drain(std::chrono::milliseconds(1));
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().code, Errc::timeout);

    fixture.service().open_gate();
    EXPECT_TRUE(fixture.dispatcher().drain(Duration::max()));
}

// Closing ends acceptance, not the work: what was accepted is handled.
TEST(Dispatcher, FinishesWhatWasAcceptedBeforeItClosed) {
    Fixture fixture({.workers = 1});
    fixture.service().close_gate();
    ASSERT_TRUE(fixture.submit(make_event("a")));
    ASSERT_TRUE(fixture.submit(make_event("b")));
    fixture.dispatcher().close();

    const auto refused = fixture.submit(make_event("c"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::closed);

    fixture.service().open_gate();
    ASSERT_TRUE(fixture.dispatcher().drain(kGenerousLimit));
    EXPECT_THAT(fixture.service().payloads(), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace crucible::runtime
