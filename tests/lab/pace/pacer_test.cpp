#include "lab/pace/pacer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

/// Reading it takes 1 us; sleeping ends `late` after the time asked for.
class FakeClock final : public base::Clock {
public:
    explicit FakeClock(Duration late) : late_(late) {}
    TimePoint now() noexcept override {
        ++readings_;
        return now_ += 1us;
    }
    void sleep_until(TimePoint deadline) noexcept override {
        ++sleeps_;
        asked_ = deadline;
        now_ = std::max(now_, deadline + late_);
    }

    TimePoint now_{};
    TimePoint asked_{};
    Duration late_;
    int readings_ = 0;
    int sleeps_ = 0;
};

// Precise: sleeps only to the margin and spins the rest, so a sleep that ends late within the
// margin costs nothing.
TEST(Pacer, PreciseWaitAbsorbsALateWakeUp) {
    FakeClock clock(30us);
    Pacer pacer(clock, Pacing::precise, 50us);
    const TimePoint due = TimePoint{} + 500us;
    EXPECT_EQ(pacer.wait_until(due), due);
    EXPECT_EQ(clock.sleeps_, 1);
    EXPECT_EQ(clock.asked_, due - 50us);
    EXPECT_EQ(clock.readings_, 1 + 20);  // on arrival; then from 480 us on, one each microsecond
}

// The longer a core has slept, the later it wakes up: a tenth of a long wait is spun.
TEST(Pacer, SpinsLongerAfterALongSleep) {
    EXPECT_EQ(spin_time(50us, 100us), 50us);
    EXPECT_EQ(spin_time(50us, 1ms), 100us);
    EXPECT_EQ(spin_time(50us, 10s), kLongMarginMax);
    EXPECT_EQ(spin_time(50us, 8ms, 4), 200us);
    EXPECT_EQ(spin_time(0us, 8ms), 0us);
    FakeClock clock(90us);
    Pacer pacer(clock, Pacing::precise, 50us);
    EXPECT_EQ(pacer.wait_until(TimePoint{} + 2001us), TimePoint{} + 2001us);
    EXPECT_EQ(clock.asked_, TimePoint{} + 1801us);
}

// Coalesced: one sleep to the end of the millisecond and no spinning; the wake-up time shows. The
// other events of that millisecond are sent without another.
TEST(Pacer, CoalescedWaitTakesAMillisecondTogether) {
    FakeClock clock(30us);
    Pacer pacer(clock, Pacing::coalesced, 50us);
    EXPECT_EQ(pacer.wait_until(TimePoint{} + 1100us), TimePoint{} + 2031us);
    EXPECT_EQ(clock.asked_, TimePoint{} + 2ms);
    EXPECT_EQ(clock.readings_, 2);
    EXPECT_EQ(pacer.wait_until(TimePoint{} + 1900us), TimePoint{} + 2032us);
    EXPECT_EQ(pacer.wait_until(TimePoint{} + 2000us), TimePoint{} + 2033us);
    EXPECT_EQ(clock.sleeps_, 1);
    EXPECT_EQ(pacer.wait_until(TimePoint{} + 3000us), TimePoint{} + 3031us);
    EXPECT_EQ(clock.sleeps_, 2);
}

// What is due sooner than a sleep could end is not slept for.
TEST(Pacer, ShortWaitOnlySpins) {
    FakeClock clock(30us);
    Pacer pacer(clock, Pacing::precise, 50us);
    const TimePoint due = TimePoint{} + 40us;
    EXPECT_EQ(pacer.wait_until(due), due);
    EXPECT_EQ(clock.sleeps_, 0);
}

// An event already due is sent at once: open loop never adds a wait to a sender that is behind.
TEST(Pacer, PassedDueTimeReturnsAtOnce) {
    FakeClock clock(30us);
    clock.now_ = TimePoint{} + 5ms;
    Pacer pacer(clock, Pacing::precise, 50us);
    EXPECT_EQ(pacer.wait_until(TimePoint{} + 1ms), TimePoint{} + 5ms + 1us);
    EXPECT_EQ(clock.sleeps_, 0);
    EXPECT_EQ(clock.readings_, 1);
}

// The margin is what the machine's sleeps are late by, and bounded: spinning costs CPU that the
// system under test may need.
TEST(WakeMargin, IsTheMeasuredLatenessUpToItsBound) {
    FakeClock punctual(37us);
    EXPECT_EQ(wake_margin(punctual), 38us);
    FakeClock sluggish(4ms);
    EXPECT_EQ(wake_margin(sluggish), kMarginMax);
}

// The real clock: never early, whatever the machine does meanwhile.
TEST(Pacer, NeverReturnsEarly) {
    base::SteadyClock clock;
    for (const auto pacing : {Pacing::precise, Pacing::coalesced}) {
        Pacer pacer(clock, pacing, 50us);
        for (int i = 0; i < 20; ++i) {
            const TimePoint due = clock.now() + 200us;
            const TimePoint returned = pacer.wait_until(due);
            EXPECT_GE(returned, due);
            EXPECT_GE(clock.now(), returned);
        }
    }
}

TEST(Pacer, NamesOfPacingReadBack) {
    EXPECT_EQ(parse_pacing("coalesced"), Pacing::coalesced);
    EXPECT_EQ(parse_pacing(to_string(Pacing::precise)), Pacing::precise);
    EXPECT_FALSE(parse_pacing("exact"));
}

}  // namespace
}  // namespace crucible::lab
