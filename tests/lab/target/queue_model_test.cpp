#include "lab/target/queue_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/start_time.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

/// A model with its memory.
class Queue {
public:
    explicit Queue(const QueueOptions& options)
        : options_(options), ends_(options.workers), begins_(options.queue_max) {}
    std::optional<TimePoint> arrive(TimePoint at) {
        return QueueModel(options_, state_, ends_, begins_).arrive(at);
    }

private:
    QueueOptions options_;
    QueueState state_;
    std::vector<std::int64_t> ends_;
    std::vector<std::int64_t> begins_;
};

// Lindley's recursion for one server: what waits, waits for exactly the work before it.
TEST(QueueModel, OneWorkerServesInTurn) {
    Queue queue({.service = 1ms, .workers = 1});
    EXPECT_EQ(queue.arrive(kStart), kStart + 1ms);
    EXPECT_EQ(queue.arrive(kStart + 200us), kStart + 2ms);
    EXPECT_EQ(queue.arrive(kStart + 1500us), kStart + 3ms);
    EXPECT_EQ(queue.arrive(kStart + 5ms), kStart + 6ms);  // idle in between
}

// Two servers: the third event waits for the first to end, not for the second.
TEST(QueueModel, WorkersServeInParallel) {
    Queue queue({.service = 1ms, .workers = 2});
    EXPECT_EQ(queue.arrive(kStart), kStart + 1ms);
    EXPECT_EQ(queue.arrive(kStart + 400us), kStart + 1400us);
    EXPECT_EQ(queue.arrive(kStart + 500us), kStart + 2ms);
    EXPECT_EQ(queue.arrive(kStart + 500us), kStart + 2400us);
    EXPECT_EQ(queue.arrive(kStart + 9ms), kStart + 10ms);
}

// The bound counts the waiting, not the one in service; a place is free again once service begins.
TEST(QueueModel, RefusesWhenAsManyWaitAsMay) {
    Queue queue({.service = 1ms, .workers = 1, .queue_max = 2});
    EXPECT_EQ(queue.arrive(kStart), kStart + 1ms);
    EXPECT_EQ(queue.arrive(kStart), kStart + 2ms);
    EXPECT_EQ(queue.arrive(kStart), kStart + 3ms);
    EXPECT_EQ(queue.arrive(kStart), std::nullopt);
    EXPECT_EQ(queue.arrive(kStart + 999us), std::nullopt);
    EXPECT_EQ(queue.arrive(kStart + 1ms), kStart + 4ms);
    EXPECT_EQ(queue.arrive(kStart + 1ms), std::nullopt);
}

// At most so many begin in a second, however many workers are idle.
TEST(QueueModel, CapacitySpacesTheBeginsOfService) {
    Queue queue({.service = 10ms, .workers = 100, .interval = 1ms});
    for (int i = 0; i < 5; ++i) EXPECT_EQ(queue.arrive(kStart), kStart + i * 1ms + 10ms);
    EXPECT_EQ(queue.arrive(kStart + 50ms), kStart + 60ms);
}

// In a stall nothing begins and what has begun goes on afterwards.
TEST(QueueModel, StallsStopAllWork) {
    Queue queue({.service = 10ms, .workers = 1, .stall = {.length = 200ms, .period = 1s}});
    EXPECT_EQ(queue.arrive(kStart), kStart + 10ms);
    EXPECT_EQ(queue.arrive(kStart + 990ms), kStart + 1s);       // just before it
    EXPECT_EQ(queue.arrive(kStart + 1100ms), kStart + 1210ms);  // in it
    EXPECT_EQ(queue.arrive(kStart + 1995ms), kStart + 2205ms);  // cut in two by the next
    EXPECT_EQ(queue.arrive(kStart + 5995ms), kStart + 6205ms);
    EXPECT_EQ(queue.arrive(kStart + 7500ms), kStart + 7510ms);
    Queue slow({.service = 3s, .workers = 1, .stall = {.length = 200ms, .period = 1s}});
    // 1 s of work, then 0.8 s in each second: 1 + 0.8 + 0.8 + 0.4 behind three stalls.
    EXPECT_EQ(slow.arrive(kStart), kStart + 3s + 3 * 200ms);
    Queue idle({.service = 0ns, .workers = 1, .stall = {.length = 200ms, .period = 1s}});
    EXPECT_EQ(idle.arrive(kStart), kStart);
    EXPECT_EQ(idle.arrive(kStart + 1100ms), kStart + 1200ms);
}

// What waits for longer than 2 ms is asked for again: it takes twice the time, and so does its
// place among the begins of service.
TEST(QueueModel, ServesTwiceWhatWaitsForTooLong) {
    Queue queue({.service = 1ms, .workers = 1, .retry = 2ms});
    EXPECT_EQ(queue.arrive(kStart), kStart + 1ms);
    EXPECT_EQ(queue.arrive(kStart), kStart + 2ms);
    EXPECT_EQ(queue.arrive(kStart), kStart + 3ms);  // waits for 2 ms, and no longer
    EXPECT_EQ(queue.arrive(kStart), kStart + 5ms);
    EXPECT_EQ(queue.arrive(kStart + 4ms), kStart + 6ms);
    Queue spaced({.service = 0ns, .workers = 1, .interval = 1ms, .retry = 1ms});
    EXPECT_EQ(spaced.arrive(kStart), kStart);
    EXPECT_EQ(spaced.arrive(kStart), kStart + 1ms);
    EXPECT_EQ(spaced.arrive(kStart), kStart + 2ms);
    EXPECT_EQ(spaced.arrive(kStart), kStart + 4ms);
}

// At 0.9 of its capacity it is held for good, or, after half a second at 1.5, never again: only
// below half of it the line goes.
TEST(QueueModel, RetriesKeepALongLineLong) {
    const auto wait_after = [](double overload, double then) {
        Queue queue({.service = 1ms, .workers = 1, .retry = 100ms});
        Duration wait{};
        TimePoint at = kStart;
        for (const auto& [rate, length] : {std::pair{overload, 500ms}, std::pair{then, 20'000ms}}) {
            const TimePoint end = at + length;
            for (; at < end; at += Duration(std::llround(1e9 / rate)))
                wait = *queue.arrive(at) - at;
        }
        return wait;
    };
    EXPECT_EQ(wait_after(900, 900), 1ms);
    EXPECT_GT(wait_after(1'500, 900), 10s);
    EXPECT_EQ(wait_after(1'500, 400), 1ms);
}

TEST(QueueModel, ServiceTimesHaveTheirMeanAndVariation) {
    for (const auto distribution : {Distribution::exponential, Distribution::lognormal}) {
        constexpr int kEvents = 400'000;
        Queue queue({.service = 1ms, .distribution = distribution, .workers = 1});
        double sum = 0;
        double squares = 0;
        TimePoint at = kStart;
        for (int i = 0; i < kEvents; ++i, at += 1s) {
            const double ms =
                std::chrono::duration<double, std::milli>(*queue.arrive(at) - at).count();
            sum += ms;
            squares += ms * ms;
        }
        const double mean = sum / kEvents;
        EXPECT_NEAR(mean, 1, 0.01) << to_string(distribution);
        EXPECT_NEAR(std::sqrt(squares / kEvents - mean * mean) / mean, 1, 0.03)
            << to_string(distribution);
    }
}

struct Response {
    double mean;
    double p99;
};

/// A Poisson stream at `load` of what the queue can serve, by arithmetic: service takes 1 ms.
Response measure(Distribution distribution, std::uint64_t workers, double load) {
    constexpr int kEvents = 1'000'000;
    Queue queue({.service = 1ms, .distribution = distribution, .workers = workers, .seed = 5});
    base::Rng random(99);
    std::vector<double> times;
    double at_ms = 0;
    double sum = 0;
    for (int i = 0; i < kEvents; ++i) {
        at_ms += random.exponential() / (load * static_cast<double>(workers));
        const TimePoint at =
            kStart + std::chrono::round<Duration>(std::chrono::duration<double, std::milli>(at_ms));
        times.push_back(std::chrono::duration<double, std::milli>(*queue.arrive(at) - at).count());
        sum += times.back();
    }
    const auto p99 = times.begin() + kEvents / 100 * 99 - 1;
    std::ranges::nth_element(times, p99);
    return {sum / kEvents, *p99};
}

/// Where a falling tail probability reaches 1 %.
double p99_of(const std::function<double(double)>& tail) {
    double low = 0;
    double high = 40;
    while (high - low > 1e-9) {
        const double middle = (low + high) / 2;
        (tail(middle) > 0.01 ? low : high) = middle;
    }
    return low;
}

/// Of the M/D/1 queue with service 1: P(wait > t), by Erlang's sum. Its terms alternate in sign:
/// for t below 40 long double has digits enough.
double deterministic_wait_tail(double load, double t) {
    if (t < 0) return 1;
    long double sum = 0;
    for (int k = 0; k <= static_cast<int>(t); ++k) {
        const long double x = load * (k - static_cast<long double>(t));
        long double term = std::exp(-x);
        for (int i = 1; i <= k; ++i) term *= x / i;
        sum += term;
    }
    return static_cast<double>(1 - (1 - load) * sum);
}

// The system whose truth is known must have the truth it is said to have: M/M/1, M/D/1 and M/M/2
// (Kleinrock 1975; Erlang for M/D/1's waiting time).
TEST(QueueModel, AgreesWithQueueingTheory) {
    for (const double load : {0.3, 0.5, 0.7, 0.9}) {
        const auto near = [load](double value, double expected, const char* what) {
            EXPECT_NEAR(value, expected, 0.05 * expected) << what << " at " << load;
        };
        const auto mm1 = measure(Distribution::exponential, 1, load);
        near(mm1.mean, 1 / (1 - load), "M/M/1 mean");
        near(mm1.p99, std::log(100) / (1 - load), "M/M/1 p99");

        const auto md1 = measure(Distribution::constant, 1, load);
        near(md1.mean, 1 + load / (2 * (1 - load)), "M/D/1 mean");
        const auto wait_tail = [load](double t) { return deterministic_wait_tail(load, t); };
        near(md1.p99, 1 + p99_of(wait_tail), "M/D/1 p99");

        const auto mm2 = measure(Distribution::exponential, 2, load);
        const double waits = 2 * load * load / (1 + load);  // Erlang's C for two servers
        const double leave = 2 * (1 - load);
        near(mm2.mean, 1 + waits / leave, "M/M/2 mean");
        const auto tail = [waits, leave](double t) {
            if (std::abs(leave - 1) < 1e-9) return std::exp(-t) * (1 + waits * t);
            return (1 - waits) * std::exp(-t) +
                   waits * (leave * std::exp(-t) - std::exp(-leave * t)) / (leave - 1);
        };
        near(mm2.p99, p99_of(tail), "M/M/2 p99");
    }
}

TEST(QueueModel, NamesOfDistributionsReadBack) {
    EXPECT_EQ(parse_distribution("lognormal"), Distribution::lognormal);
    EXPECT_EQ(parse_distribution("uniform").error().message,
              "distribution 'uniform': must be constant, exponential or lognormal");
}

}  // namespace
}  // namespace crucible::lab
