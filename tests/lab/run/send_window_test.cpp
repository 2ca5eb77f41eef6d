#include "lab/run/send_window.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include "base/clock.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

// As many as the window has places, then nothing until one is given back.
TEST(SendWindow, HasAsManyPlacesAsItWasGiven) {
    SendWindow window(2);
    const TimePoint now = base::monotonic_now();
    EXPECT_TRUE(window.acquire(now));
    EXPECT_TRUE(window.acquire(now));
    EXPECT_FALSE(window.acquire(now));
    window.release(1);
    EXPECT_TRUE(window.acquire(now));
    EXPECT_FALSE(window.acquire(now));
}

// The sender sleeps and completions wake it, for every single place: a lost wake-up would hang
// this test, one place too many would exceed the window.
TEST(SendWindow, EveryReleaseReachesTheSender) {
    constexpr int kEvents = 20'000;
    constexpr int kPlaces = 3;
    SendWindow window(kPlaces);
    std::atomic<int> sent = 0;
    std::atomic<int> ended = 0;
    std::jthread target([&] {
        while (ended.load() < kEvents) {
            if (sent.load() > ended.load()) {
                ended.fetch_add(1);
                window.release(1);
            } else {
                std::this_thread::yield();
            }
        }
    });
    for (int i = 0; i < kEvents; ++i) {
        ASSERT_TRUE(window.acquire(base::monotonic_now() + 60s));
        ASSERT_LE(sent.fetch_add(1) + 1 - ended.load(), kPlaces);
    }
}

// A place that comes back after some time to think is not there before, without anybody's help.
TEST(SendWindow, PlacesComeBackAfterTheTimeToThink) {
    SendWindow window(1);
    const TimePoint start = base::monotonic_now();
    ASSERT_TRUE(window.acquire(start));
    window.release_at(1, start + 20ms);
    EXPECT_EQ(window.next_return(), start + 20ms);
    EXPECT_FALSE(window.acquire(start + 10ms));
    EXPECT_TRUE(window.acquire(start + 60s));
    EXPECT_GE(base::monotonic_now(), start + 20ms);
    EXPECT_EQ(window.next_return(), TimePoint::max());
    window.release_at(2, start);
    EXPECT_TRUE(window.try_acquire());
    EXPECT_TRUE(window.try_acquire());
    EXPECT_FALSE(window.try_acquire());
}

// Announced while the sender waits for anything at all.
TEST(SendWindow, AReturnThatIsAnnouncedLateWakesTheSender) {
    SendWindow window(1);
    ASSERT_TRUE(window.acquire(base::monotonic_now()));
    std::jthread target([&] { window.release_at(1, base::monotonic_now() + 5ms); });
    EXPECT_TRUE(window.acquire(base::monotonic_now() + 60s));
}

// Stopping must not wait for a completion that may never come.
TEST(SendWindow, CloseEndsTheWait) {
    SendWindow window(1);
    ASSERT_TRUE(window.acquire(base::monotonic_now()));
    std::jthread closer([&] { window.close(); });
    EXPECT_FALSE(window.acquire(base::monotonic_now() + 60s));
}

}  // namespace
}  // namespace crucible::lab
