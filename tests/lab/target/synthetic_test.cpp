#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "base/start_time.h"
#include "lab/target/planted.h"
#include "lab/target/shared_queue.h"
#include "lab/target/system.h"
#include "lab/target/target.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

std::unique_ptr<SharedQueue> queue_of(const QueueOptions& options) {
    auto queue = SharedQueue::make(options);
    EXPECT_TRUE(queue) << queue.error().message;
    return *std::move(queue);
}

// Clients are processes: the same line, wherever an event comes from.
TEST(SharedQueue, IsOneLineForAllProcesses) {
    const auto queue = queue_of({.service = 1ms, .workers = 1});
    ASSERT_EQ(queue->arrive_at(kStart), kStart + 1ms);
    const std::string path = queue->path();
    const pid_t child = ::fork();
    if (child == 0) {
        const auto theirs = SharedQueue::open(path);
        ::_exit(theirs && (*theirs)->arrive_at(kStart) == kStart + 2ms ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(queue->arrive_at(kStart), kStart + 3ms);
}

TEST(SharedQueue, OpeningWhatIsNotThereNamesIt) {
    const auto queue = SharedQueue::open("/proc/self/fd/9999");
    ASSERT_FALSE(queue);
    EXPECT_EQ(queue.error().code, Errc::not_found);
    EXPECT_NE(queue.error().message.find("/proc/self/fd/9999"), std::string::npos);
}

/// Collects completions from whatever thread they come.
class Collector {
public:
    CompletionHandler handler() {
        return [this](std::span<const Completion> batch, TimePoint at) {
            const std::lock_guard lock(mutex_);
            for (const auto& completion : batch) {
                failed_ += completion.outcome == Outcome::failed;
                tokens_.push_back(completion.token);
                times_.push_back(at);
            }
        };
    }
    std::vector<std::uint64_t> tokens() {
        const std::lock_guard lock(mutex_);
        return tokens_;
    }
    std::vector<TimePoint> times() {
        const std::lock_guard lock(mutex_);
        return times_;
    }

    std::uint64_t failed() {
        const std::lock_guard lock(mutex_);
        return failed_;
    }

private:
    std::mutex mutex_;
    std::uint64_t failed_ = 0;
    std::vector<std::uint64_t> tokens_;
    std::vector<TimePoint> times_;
};

/// A client of its own system, both in this process.
struct Opened {
    std::unique_ptr<System> system;
    std::unique_ptr<Target> target;
};
Opened open(std::string_view text, Collector& collector) {
    Opened opened;
    const auto url = parse_target(text);
    EXPECT_TRUE(url) << url.error().message;
    auto system = start_system(*url, {});
    EXPECT_TRUE(system) << system.error().message;
    opened.system = *std::move(system);
    auto target = open_target(opened.system->endpoint(), 0, collector.handler());
    EXPECT_TRUE(target) << target.error().message;
    opened.target = *std::move(target);
    return opened;
}

// Delivered in order, once each, and never before the formula says: ten events sent at once end
// 1 ms apart, and `latency` comes on top without occupying the server.
TEST(Synthetic, DeliversAtTheTimeOfTheFormula) {
    Collector collector;
    const auto opened = open("synthetic:?service=1ms&latency=5ms", collector);
    const TimePoint before = base::monotonic_now();
    for (std::uint64_t token = 0; token < 10; ++token)
        ASSERT_TRUE(opened.target->send(Event{}, token));
    ASSERT_TRUE(opened.target->drain(30s));
    EXPECT_EQ(collector.tokens(), (std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
    const auto times = collector.times();
    for (std::size_t i = 0; i < times.size(); ++i)
        EXPECT_GE(times[i] - before, (i + 1) * 1ms + 5ms) << i;
}

// A refusal is an answer of send() with nothing accepted: no completion follows it.
TEST(Synthetic, RefusesWhenItsQueueIsFull) {
    Collector collector;
    const auto opened = open("synthetic:?service=50ms&queue=1", collector);
    ASSERT_TRUE(opened.target->send(Event{}, 1));
    ASSERT_TRUE(opened.target->send(Event{}, 2));
    const auto third = opened.target->send(Event{}, 3);
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code, Errc::overloaded);
    ASSERT_TRUE(opened.target->drain(30s));
    EXPECT_EQ(collector.tokens(), (std::vector<std::uint64_t>{1, 2}));
}

// drain() gives up at its limit, and a target with a minute of work left can still be closed.
TEST(Synthetic, DrainEndsAtItsLimit) {
    Collector collector;
    const auto opened = open("synthetic:?service=60s", collector);
    ASSERT_TRUE(opened.target->send(Event{}, 1));
    const auto drained = opened.target->drain(1ms);
    ASSERT_FALSE(drained);
    EXPECT_EQ(drained.error().code, Errc::timeout);
    EXPECT_TRUE(collector.tokens().empty());
}

// What is planted is found, each in its number: the fates are known beforehand.
TEST(Synthetic, PlantsWhatItIsAskedFor) {
    Collector collector;
    const auto opened =
        open("synthetic:?service=0s&errors=5%&loss=4%&duplicates=3%&reorder=2%", collector);
    std::map<Fate, std::uint64_t> expected;
    constexpr std::uint64_t kEvents = 5000;
    for (std::uint64_t token = 0; token < kEvents; ++token) {
        ASSERT_TRUE(opened.target->send(Event{}, token));
        ++expected[fate_of({0.05, 0.04, 0.03, 0.02, 1}, 0, token)];
    }
    const auto drained = opened.target->drain(30s);
    ASSERT_FALSE(drained);
    EXPECT_EQ(drained.error().message,
              "synthetic: " + std::to_string(expected[Fate::lost]) + " events were lost");
    for (const auto& [fate, share] : {std::pair{Fate::failed, 0.05},
                                      {Fate::lost, 0.04},
                                      {Fate::duplicated, 0.03},
                                      {Fate::delayed, 0.02}})
        EXPECT_NEAR(static_cast<double>(expected[fate]), share * kEvents, 0.3 * share * kEvents);
    EXPECT_EQ(collector.tokens().size(),
              kEvents - expected[Fate::lost] + expected[Fate::duplicated]);
    EXPECT_EQ(collector.failed(), expected[Fate::failed]);
    std::uint64_t late = 0;
    std::uint64_t highest = 0;
    for (const auto token : collector.tokens()) {
        late += token < highest;
        highest = std::max(highest, token);
    }
    // A run of delayed events goes behind the same next one, in order.
    EXPECT_EQ(late, expected[Fate::delayed]);
}

// null: has ended an event when send() returns: all that is measured is the harness.
TEST(Null, CompletesInsideSend) {
    Collector collector;
    const auto opened = open("null:", collector);
    ASSERT_TRUE(opened.target->send(Event{}, 77));
    EXPECT_EQ(collector.tokens(), (std::vector<std::uint64_t>{77}));
    EXPECT_TRUE(opened.system->stop());
}

}  // namespace
}  // namespace crucible::lab
