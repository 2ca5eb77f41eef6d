#include "runtime/route/circuit_breaker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/start_time.h"

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;
using State = CircuitBreaker::State;

/// A breaker with its own time, and what it told about its changes: "open- half_open+ closed+",
/// where + says that calls are admitted.
class Fixture {
public:
    explicit Fixture(const CircuitBreaker::Options& options)
        : breaker_(options, [this](State state, bool admits) {
              changes_ += (changes_.empty() ? "" : " ") + std::string(to_string(state)) +
                          (admits ? "+" : "-");
          }) {}

    CircuitBreaker& breaker() { return breaker_; }
    bool succeed() {
        return call([this](auto permit) { breaker_.succeeded(permit, now); });
    }
    bool fail() {
        return call([this](auto permit) { breaker_.failed(permit, now); });
    }
    std::string take_changes() { return std::exchange(changes_, {}); }

    TimePoint now = kStart;

private:
    template <typename End>
    bool call(End end) {
        const auto permit = breaker_.admit(now);
        if (permit) end(*permit);
        return permit.has_value();
    }

    std::string changes_;
    CircuitBreaker breaker_;
};

// Failures in a row are the fast way: five events lost instead of twenty.
TEST(CircuitBreaker, OpensAfterFailuresInARow) {
    Fixture fixture({.failures_in_a_row = 3});
    EXPECT_TRUE(fixture.fail());
    EXPECT_TRUE(fixture.fail());
    EXPECT_TRUE(fixture.succeed());
    EXPECT_TRUE(fixture.fail());
    EXPECT_TRUE(fixture.fail());
    EXPECT_EQ(fixture.breaker().state(), State::closed);
    EXPECT_TRUE(fixture.fail());

    EXPECT_EQ(fixture.breaker().state(), State::open);
    EXPECT_FALSE(fixture.succeed());
    EXPECT_EQ(fixture.take_changes(), "open-");
}

// An instance that fails every other event never fails three in a row.
TEST(CircuitBreaker, OpensAtAShareOfEnoughCalls) {
    Fixture fixture({.failures_in_a_row = 100, .failure_share = 0.5, .calls_min = 10});
    for (int i = 0; i < 4; ++i) {
        fixture.fail();
        fixture.succeed();
    }
    fixture.succeed();
    EXPECT_EQ(fixture.breaker().state(), State::closed);
    // 5 of 10.
    fixture.fail();
    EXPECT_EQ(fixture.breaker().state(), State::open);
}

// One of two is half, and no evidence.
TEST(CircuitBreaker, WaitsForEnoughCalls) {
    Fixture fixture({.failures_in_a_row = 100, .failure_share = 0.5, .calls_min = 10});
    for (int i = 0; i < 9; ++i) fixture.fail();
    EXPECT_EQ(fixture.breaker().state(), State::closed);
    fixture.fail();
    EXPECT_EQ(fixture.breaker().state(), State::open);
}

// What was ten seconds ago says nothing of now.
TEST(CircuitBreaker, ForgetsWhatLeftItsWindow) {
    Fixture fixture(
        {.failures_in_a_row = 100, .failure_share = 0.5, .calls_min = 10, .window = 10s});
    for (int i = 0; i < 9; ++i) fixture.fail();
    fixture.now += 10s;
    for (int i = 0; i < 9; ++i) fixture.fail();
    EXPECT_EQ(fixture.breaker().state(), State::closed);
    fixture.now += 9s;
    fixture.fail();
    EXPECT_EQ(fixture.breaker().state(), State::open);
}

TEST(CircuitBreaker, ProbesAfterItsTimeAndCloses) {
    Fixture fixture({.failures_in_a_row = 1, .open_for = 30s, .probes_to_close = 2});
    fixture.fail();
    EXPECT_EQ(fixture.breaker().wakes_at(), kStart + 30s);
    fixture.now += 30s - 1ns;
    EXPECT_FALSE(fixture.succeed());
    fixture.now += 1ns;
    EXPECT_TRUE(fixture.succeed());
    EXPECT_EQ(fixture.breaker().state(), State::half_open);
    EXPECT_TRUE(fixture.succeed());
    EXPECT_EQ(fixture.breaker().state(), State::closed);
    EXPECT_EQ(fixture.take_changes(), "open- half_open+ half_open- half_open+ half_open- closed+");
    EXPECT_EQ(fixture.breaker().wakes_at(), std::nullopt);
    // It begins without a memory, but with its rules.
    fixture.fail();
    EXPECT_EQ(fixture.breaker().state(), State::open);
}

// A probe that fails costs one event, not another three.
TEST(CircuitBreaker, OpensAgainWhenAProbeFails) {
    Fixture fixture({.failures_in_a_row = 3, .open_for = 30s});
    for (int i = 0; i < 3; ++i) fixture.fail();
    fixture.now += 30s;
    EXPECT_TRUE(fixture.fail());
    EXPECT_EQ(fixture.breaker().state(), State::open);
    EXPECT_EQ(fixture.breaker().wakes_at(), kStart + 60s);
}

// An instance that is just back may not get everything at once.
TEST(CircuitBreaker, AdmitsFewProbesAtATime) {
    Fixture fixture({.failures_in_a_row = 1, .open_for = 30s, .probes_max = 2});
    fixture.fail();
    fixture.now += 30s;
    const auto first = fixture.breaker().admit(fixture.now);
    const auto second = fixture.breaker().admit(fixture.now);
    ASSERT_TRUE(first && second);
    EXPECT_FALSE(fixture.breaker().admit(fixture.now));
    fixture.breaker().succeeded(*first, fixture.now);
    EXPECT_TRUE(fixture.breaker().admit(fixture.now));
    EXPECT_FALSE(fixture.breaker().admit(fixture.now));
    fixture.breaker().abandoned(*second);
    EXPECT_TRUE(fixture.breaker().admit(fixture.now));
    EXPECT_EQ(fixture.take_changes(),
              "open- half_open+ half_open- half_open+ half_open- half_open+ half_open-");
}

// Nobody picks an instance that is not admitted: without a call at its time it would stay open for
// ever.
TEST(CircuitBreaker, BecomesHalfOpenWithoutACall) {
    Fixture fixture({.failures_in_a_row = 1, .open_for = 30s});
    fixture.fail();
    fixture.breaker().refresh(kStart + 30s - 1ns);
    EXPECT_EQ(fixture.breaker().state(), State::open);
    fixture.breaker().refresh(*fixture.breaker().wakes_at());
    EXPECT_EQ(fixture.breaker().state(), State::half_open);
    EXPECT_EQ(fixture.take_changes(), "open- half_open+");
}

// A probe whose end was never reported (its dispatcher died) would keep all others out.
TEST(CircuitBreaker, ReplacesLostProbes) {
    Fixture fixture({.failures_in_a_row = 1, .open_for = 30s});
    fixture.fail();
    fixture.now += 30s;
    const auto lost = fixture.breaker().admit(fixture.now);
    ASSERT_TRUE(lost);
    EXPECT_EQ(fixture.breaker().wakes_at(), kStart + 60s);
    EXPECT_FALSE(fixture.breaker().admit(kStart + 60s - 1ns));
    const auto other = fixture.breaker().admit(kStart + 60s);
    ASSERT_TRUE(other);
    // It comes back after all: another one has its place, and it says nothing of now.
    fixture.breaker().failed(*lost, kStart + 61s);
    EXPECT_EQ(fixture.breaker().state(), State::half_open);
    fixture.breaker().failed(*other, kStart + 61s);
    EXPECT_EQ(fixture.breaker().state(), State::open);
}

// Events in flight when it opened come back later: their failures are known already, and their
// successes are old.
TEST(CircuitBreaker, IgnoresWhatWasAdmittedInAnotherPeriod) {
    Fixture fixture({.failures_in_a_row = 1, .open_for = 30s, .probes_to_close = 1});
    const auto early = fixture.breaker().admit(fixture.now);
    const auto late = fixture.breaker().admit(fixture.now);
    ASSERT_TRUE(early && late);
    fixture.fail();
    fixture.now += 29s;
    fixture.breaker().failed(*early, fixture.now);
    fixture.now += 1s;
    fixture.breaker().refresh(fixture.now);
    fixture.breaker().succeeded(*late, fixture.now);
    EXPECT_EQ(fixture.breaker().state(), State::half_open);
}

// Many threads, calls that fail three in a row: never more probes at a time than allowed, and the
// changes told are a walk through the state machine.
TEST(CircuitBreaker, KeepsItsLimitsBetweenThreads) {
    std::vector<State> states{State::closed};
    CircuitBreaker breaker({.failures_in_a_row = 2,
                            .window = 1s,
                            .open_for = 1us,
                            .probes_max = 2,
                            .probes_to_close = 2},
                           // One call at a time: no lock of its own.
                           [&states](State state, bool) {
                               if (state != states.back()) states.push_back(state);
                           });
    std::atomic<std::int64_t> ticks = 0;
    std::mutex mutex;
    std::map<std::uint64_t, int> probes;  // in flight, by the period that admitted them
    int most = 0;
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 4; ++thread) {
            threads.emplace_back([&, thread] {
                for (int i = 0; i < 5000; ++i) {
                    const TimePoint now = kStart + Duration(ticks.fetch_add(100));
                    const auto permit = breaker.admit(now);
                    if (!permit) continue;
                    // The low bits of a period are its state: which calls were probes.
                    if (permit->period % 4 == static_cast<std::uint64_t>(State::half_open)) {
                        {
                            const std::lock_guard lock(mutex);
                            most = std::max(most, ++probes[permit->period]);
                        }
                        std::this_thread::yield();
                        const std::lock_guard lock(mutex);
                        --probes[permit->period];
                    }
                    if ((i / 3 + thread) % 2 == 0) {
                        breaker.failed(*permit, now);
                    } else {
                        breaker.succeeded(*permit, now);
                    }
                }
            });
        }
    }
    EXPECT_LE(most, 2);
    EXPECT_GE(most, 1);
    ASSERT_GT(states.size(), 3u);
    for (std::size_t i = 1; i < states.size(); ++i) {
        const State from = states[i - 1];
        const State to = states[i];
        EXPECT_TRUE((from == State::closed && to == State::open) ||
                    (from == State::open && to == State::half_open) ||
                    (from == State::half_open && to != State::half_open))
            << to_string(from) << " to " << to_string(to);
    }
}

}  // namespace
}  // namespace crucible::runtime
