#include "lab/record/sample_pace.h"

#include <gtest/gtest.h>

#include <chrono>

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

/// Samples of a stretch that each take `cost`.
struct Paced {
    std::uint64_t samples = 0;
    Duration spent{};
    Duration end{};  ///< of the last interval
};
template <typename Cost>
Paced paced(const SamplePace& pace, Duration length, Cost cost) {
    Paced all;
    while (all.end < length) {
        const auto interval = pace.next(length - all.end, all.spent, all.samples);
        if (!interval) break;
        all.spent += cost(all.end);
        all.end += *interval;
        ++all.samples;
    }
    return all;
}

// Twice as long a trial needs no more samples for the same confidence.
TEST(SamplePace, TakesAsManyAsAreOfUseAndNoMore) {
    EXPECT_EQ(SamplePace(1500ms, 10ms, 150, 0.005).interval(), 10ms);
    EXPECT_EQ(SamplePace(3s, 10ms, 150, 0.005).interval(), 20ms);
    EXPECT_EQ(SamplePace(1s, 10ms, 150, 0.005).interval(), 10ms);
    const auto cheap = [](Duration) { return 20us; };
    EXPECT_EQ(paced({3s, 10ms, 150, 0.005}, 3s, cheap).samples, 150U);
    EXPECT_EQ(paced({30s, 10ms, 150, 0.005}, 30s, cheap).samples, 150U);
    EXPECT_EQ(paced({1s, 10ms, 150, 0.005}, 1s, cheap).samples, 100U);
}

// 10 ms of 2 s pay for 50 samples of 200 us, 40 ms apart up to the end of the stretch.
TEST(SamplePace, SpreadsWhatIsPaidForOverAllOfTheStretch) {
    const auto all = paced({2s, 10ms, 150, 0.005}, 2s, [](Duration) { return 200us; });
    EXPECT_EQ(all.spent, 10ms);
    EXPECT_EQ(all.samples, 50U);
    EXPECT_GE(all.end, 2s - 40ms);
}

// The first one, that meets nothing in the caches, is not what the others are like.
TEST(SamplePace, DoesNotTakeTheFirstForAll) {
    const auto all = paced({2s, 10ms, 150, 0.005}, 2s,
                           [](Duration at) { return at == Duration::zero() ? 1ms : 100us; });
    EXPECT_LE(all.spent, 10ms);
    EXPECT_GE(all.samples, 85U);
    EXPECT_GE(all.end, 1900ms);
}

// Busy for 200 ms in turn with idle for 200 ms, where a sample of the one takes three times that of
// the other: pausing after costly ones would find a quarter of the time busy.
TEST(SamplePace, LooksAsOftenWhereASampleTakesLonger) {
    std::uint64_t busy = 0;
    const auto all = paced({4s, 10ms, 150, 0.005}, 4s, [&busy](Duration at) -> Duration {
        if (at % 400ms >= 200ms) return 100us;
        ++busy;
        return 300us;
    });
    EXPECT_LE(all.spent, 20ms);
    EXPECT_NEAR(static_cast<double>(busy) / static_cast<double>(all.samples), 0.5, 0.05);
}

TEST(SamplePace, EndsWhereNoneIsPaidForAnyMore) {
    const SamplePace pace(2s, 10ms, 150, 0.005);
    EXPECT_EQ(pace.next(2s, {}, 0), pace.interval());
    EXPECT_EQ(pace.next(1s, 9ms, 9), 1s);
    EXPECT_EQ(pace.next(1s, 9'500us, 9), std::nullopt);
    EXPECT_EQ(pace.next(1s, 20ms, 9), std::nullopt);
}

}  // namespace
}  // namespace crucible::lab
