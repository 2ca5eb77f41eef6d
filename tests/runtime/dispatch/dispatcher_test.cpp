#include "runtime/dispatch/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "gated_service.h"
#include "runtime/dispatch/run_service.h"

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

/// A dispatcher over gated services, with the attempts that have ended.
class DispatcherFixture {
public:
    explicit DispatcherFixture(const DispatcherOptions& options, std::size_t services = 1) {
        for (std::size_t i = 0; i < services; ++i) {
            services_.push_back(std::make_unique<GatedService>("gated-" + std::to_string(i)));
        }
        dispatcher_ = std::make_unique<Dispatcher>(
            options, services_,
            [this](std::uint32_t, std::span<TaskPtr> tasks, std::span<HandleResult> results) {
                const std::lock_guard lock(mutex_);
                for (std::size_t i = 0; i < tasks.size(); ++i) {
                    ended_.push_back({tasks[i]->owner, tasks[i]->token, results[i].outcome,
                                      results[i].response, results[i].reason});
                }
                changed_.notify_all();
            });
    }
    ~DispatcherFixture() {
        for (std::size_t i = 0; i < services_.size(); ++i) service(i).open_gate();
    }

    GatedService& service(std::size_t index = 0) {
        return static_cast<GatedService&>(*services_[index]);
    }
    Dispatcher& dispatcher() { return *dispatcher_; }
    Result<> submit(const Event& event, std::uint64_t token = 0, std::size_t service = 0) {
        auto task = std::make_unique<Task>();
        task->event = event;
        task->owner = 7;
        task->token = token;
        task->instance = service;
        return dispatcher_->submit(std::move(task));
    }
    /// Those that have ended, once they are that many.
    std::vector<Ended> ended(std::size_t count) {
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(
            changed_.wait_for(lock, kGenerousLimit, [&] { return ended_.size() >= count; }));
        return ended_;
    }

private:
    std::vector<std::unique_ptr<Service>> services_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Ended> ended_;
    std::unique_ptr<Dispatcher> dispatcher_;
};

// The common case, whole: an event reaches its service and its completion says whose it was.
TEST(Dispatcher, BringsAnEventToItsServiceAndBack) {
    DispatcherFixture fixture({.workers = 1}, 2);

    ASSERT_TRUE(fixture.submit(make_event("a"), 41, 1));
    const auto ended = fixture.ended(1);

    EXPECT_TRUE(fixture.service(0).payloads().empty());
    EXPECT_THAT(fixture.service(1).payloads(), ElementsAre("a"));
    ASSERT_EQ(ended.size(), 1u);
    EXPECT_EQ(ended[0].owner, 7u);
    EXPECT_EQ(ended[0].token, 41u);
    EXPECT_EQ(ended[0].outcome, Outcome::handled);
    EXPECT_EQ(ended[0].response, "echo a");
}

// Whatever waits when the worker comes goes in one call, so that a service can share one
// transaction; the first event did not wait for company.
TEST(Dispatcher, HandsOverWhatWaitsUpToTheBatchLimit) {
    DispatcherFixture fixture({.workers = 1, .batch_max = 3});
    fixture.service().close_gate();
    ASSERT_TRUE(fixture.submit(make_event("first")));
    ASSERT_TRUE(fixture.service().wait_for_batches(1));
    for (const char* payload : {"a", "b", "c", "d"})
        ASSERT_TRUE(fixture.submit(make_event(payload)));
    fixture.service().open_gate();
    (void)fixture.ended(5);

    EXPECT_THAT(fixture.service().batches(),
                ElementsAre(ElementsAre("first"), ElementsAre("a", "b", "c"), ElementsAre("d")));
}

// A service says itself how much it wants, unless the limit is set for all.
TEST(Dispatcher, HandsOverAsMuchAsTheServiceWants) {
    std::vector<std::unique_ptr<Service>> services;
    services.push_back(std::make_unique<GatedService>("gated", Category::custom, 2));
    auto& service = static_cast<GatedService&>(*services.front());
    Dispatcher dispatcher({.workers = 1}, services, [](auto, auto, auto) {});
    service.close_gate();
    for (const char* payload : {"first", "a", "b", "c"}) {
        auto task = std::make_unique<Task>();
        task->event = make_event(payload);
        ASSERT_TRUE(dispatcher.submit(std::move(task)));
        ASSERT_TRUE(service.wait_for_batches(1));
    }
    service.open_gate();
    ASSERT_TRUE(service.wait_for_batches(3));
    EXPECT_THAT(service.batches(),
                ElementsAre(ElementsAre("first"), ElementsAre("a", "b"), ElementsAre("c")));
}

// The batch is in priority order, and in the order of publishing within one.
TEST(Dispatcher, TakesByPriorityThenByAge) {
    DispatcherFixture fixture({.workers = 1});
    fixture.service().close_gate();
    ASSERT_TRUE(fixture.submit(make_event("first")));
    ASSERT_TRUE(fixture.service().wait_for_batches(1));
    ASSERT_TRUE(fixture.submit(make_event("low", Priority::low)));
    ASSERT_TRUE(fixture.submit(make_event("normal-1")));
    ASSERT_TRUE(fixture.submit(make_event("critical", Priority::critical)));
    ASSERT_TRUE(fixture.submit(make_event("normal-2")));
    fixture.service().open_gate();
    (void)fixture.ended(5);

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
    constexpr std::uint32_t kEvents = 2000;
    std::mutex mutex;
    std::condition_variable all;
    std::size_t ended = 0;
    Dispatcher dispatcher({.workers = 4, .batch_max = 2}, services,
                          [&](std::uint32_t, std::span<TaskPtr> tasks, std::span<HandleResult>) {
                              const std::lock_guard lock(mutex);
                              ended += tasks.size();
                              if (ended == 3 * kEvents) all.notify_all();
                          });

    std::vector<std::jthread> publishers;
    for (int source = 0; source < 3; ++source) {
        publishers.emplace_back([&, source] {
            for (std::uint32_t attempt = 1; attempt <= kEvents; ++attempt) {
                auto task = std::make_unique<Task>();
                task->event = make_event("x", Priority::normal, "client-" + std::to_string(source));
                task->event.attempt = attempt;
                EXPECT_TRUE(dispatcher.submit(std::move(task)));
            }
        });
    }
    publishers.clear();
    std::unique_lock lock(mutex);
    ASSERT_TRUE(all.wait_for(lock, kGenerousLimit, [&] { return ended == 3 * kEvents; }));

    EXPECT_FALSE(counting.overlapped_);
    EXPECT_TRUE(counting.ordered_) << "a source's events arrived out of order";
}

// A slow instance may not hold up another while a worker is free.
TEST(Dispatcher, RunsInstancesInParallel) {
    DispatcherFixture fixture({.workers = 2}, 2);
    fixture.service(0).close_gate();
    ASSERT_TRUE(fixture.submit(make_event("slow"), 0, 0));
    ASSERT_TRUE(fixture.service(0).wait_for_batches(1));
    ASSERT_TRUE(fixture.submit(make_event("quick"), 0, 1));

    EXPECT_TRUE(fixture.service(1).wait_for_batches(1));
}

// With one at a time of a category, a second instance of it waits though a worker is free, and an
// instance of another category does not.
TEST(Dispatcher, LimitsHowManyOfACategoryRun) {
    std::vector<std::unique_ptr<Service>> services;
    services.push_back(std::make_unique<GatedService>("database-1", Category::database));
    services.push_back(std::make_unique<GatedService>("database-2", Category::database));
    services.push_back(std::make_unique<GatedService>("mcp-1", Category::mcp));
    const auto service = [&](std::size_t i) -> GatedService& {
        return static_cast<GatedService&>(*services[i]);
    };
    DispatcherOptions options{.workers = 3};
    options.concurrency[static_cast<std::size_t>(Category::database)] = 1;
    Dispatcher dispatcher(options, services,
                          [](std::uint32_t, std::span<TaskPtr>, std::span<HandleResult>) {});
    const auto submit = [&](std::size_t instance) {
        auto task = std::make_unique<Task>();
        task->event = make_event("a");
        task->instance = instance;
        EXPECT_TRUE(dispatcher.submit(std::move(task)));
    };
    for (std::size_t i = 0; i < 3; ++i) service(i).close_gate();
    submit(0);
    ASSERT_TRUE(service(0).wait_for_batches(1));
    submit(1);
    submit(2);
    ASSERT_TRUE(service(2).wait_for_batches(1));
    EXPECT_TRUE(service(1).batches().empty());

    service(0).open_gate();

    EXPECT_TRUE(service(1).wait_for_batches(1));
    for (std::size_t i = 0; i < 3; ++i) service(i).open_gate();
}

// One instance that stalls takes no more than its share; the others go on.
TEST(Dispatcher, RefusesEventsBeyondTheLimitOfAService) {
    DispatcherFixture fixture({.workers = 2, .service_events_max = 2}, 2);
    fixture.service(0).close_gate();
    ASSERT_TRUE(fixture.submit(make_event("a")));
    ASSERT_TRUE(fixture.submit(make_event("b")));
    EXPECT_EQ(fixture.dispatcher().events_of(0), 2u);

    const auto refused = fixture.submit(make_event("c"));

    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::overloaded);
    EXPECT_TRUE(fixture.submit(make_event("d"), 0, 1));
    fixture.service(0).open_gate();
    EXPECT_EQ(fixture.ended(3).size(), 3u);
    EXPECT_EQ(fixture.dispatcher().events_of(0), 0u);
}

// What makes room is the lowest priority that waits, and never one as high as what comes.
TEST(Dispatcher, GivesUpTheLowestPriorityFirst) {
    DispatcherFixture fixture({.workers = 1}, 2);
    for (std::size_t i = 0; i < 2; ++i) {
        fixture.service(i).close_gate();
    }
    ASSERT_TRUE(fixture.submit(make_event("being handled", Priority::low)));
    ASSERT_TRUE(fixture.service().wait_for_batches(1));
    ASSERT_TRUE(fixture.submit(make_event("normal"), 1));
    ASSERT_TRUE(fixture.submit(make_event("low"), 2));
    ASSERT_TRUE(fixture.submit(make_event("high", Priority::high), 3, 1));

    const auto payload = [](const TaskPtr& task) { return task ? task->event.payload : "none"; };
    auto& dispatcher = fixture.dispatcher();
    // The lowest of that instance.
    EXPECT_EQ(payload(dispatcher.take_below(Priority::critical, 0)), "normal");
    EXPECT_EQ(payload(dispatcher.take_below(Priority::normal)), "none");
    EXPECT_EQ(payload(dispatcher.take_below(Priority::high)), "low");
    EXPECT_EQ(payload(dispatcher.take_below(Priority::high)), "none");
    EXPECT_EQ(payload(dispatcher.take_below(Priority::critical)), "high");
    EXPECT_EQ(dispatcher.events_of(0), 1u);
    EXPECT_EQ(dispatcher.events_of(1), 0u);
}

// The deadline counts when a worker takes the event: one that is past it is not worked on.
TEST(Dispatcher, ExpiresWhatIsTakenTooLate) {
    DispatcherFixture fixture({.workers = 1});
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

    std::map<std::uint64_t, Outcome> outcomes;
    for (const auto& ended : fixture.ended(4)) outcomes[ended.token] = ended.outcome;
    EXPECT_EQ(outcomes[1], Outcome::expired);
    EXPECT_EQ(outcomes[2], Outcome::handled);
    EXPECT_EQ(outcomes[3], Outcome::handled);
    EXPECT_THAT(fixture.service().payloads(), ElementsAre("first", "early", "none"));
}

// What a service said before it threw counts for nothing: all of the call may be tried again.
TEST(RunService, AnExceptionTakesBackWhatWasSaid) {
    GatedService service;
    const Event impossible = make_event("impossible");
    const Event broken = make_event("throw");
    const std::array<const Event*, 2> events = {&impossible, &broken};
    std::array<HandleResult, 2> results;
    run_service(service, events, results);
    for (const auto& result : results) {
        EXPECT_EQ(result.outcome, Outcome::failed);
        EXPECT_EQ(result.reason, "gated: it broke");
        EXPECT_FALSE(result.for_good);
    }
}

// A service that throws fails its events; the worker and the other events live on.
TEST(Dispatcher, TurnsAnExceptionIntoAFailure) {
    DispatcherFixture fixture({.workers = 1});

    ASSERT_TRUE(fixture.submit(make_event("throw"), 1));
    (void)fixture.ended(1);
    ASSERT_TRUE(fixture.submit(make_event("after"), 2));

    const auto ended = fixture.ended(2);
    ASSERT_EQ(ended.size(), 2u);
    EXPECT_EQ(ended[0].outcome, Outcome::failed);
    EXPECT_EQ(ended[0].reason, "gated-0: it broke");
    EXPECT_EQ(ended[0].response, "");
    EXPECT_EQ(ended[1].outcome, Outcome::handled);
    EXPECT_EQ(ended[1].reason, "");
}

}  // namespace
}  // namespace crucible::runtime
