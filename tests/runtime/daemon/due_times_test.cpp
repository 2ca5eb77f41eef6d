#include "runtime/daemon/due_times.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace crucible::runtime {
namespace {

TimePoint at(std::uint64_t second) {
    return TimePoint(std::chrono::seconds(second));
}

// With a long idle limit, sessions that come and go by thousands a second must not each stay
// remembered until then.
TEST(DueTimes, ForgetsSessionsThatHaveGone) {
    DueTimes dues;
    constexpr std::uint64_t kStays = 7;
    std::size_t most = 0;
    for (std::uint64_t session = 0; session < 100'000; ++session) {
        dues.add({at(1'000 + session), session, DueFor::idle},
                 [&](std::uint64_t one) { return one == session || one == kStays; });
        most = std::max(most, dues.size());
    }
    EXPECT_EQ(most, DueTimes::kSweepMin);
    EXPECT_EQ(dues.top().session, kStays);
}

// Those of sessions that live are all kept, however many, and come in their order.
TEST(DueTimes, KeepsSessionsThatLive) {
    DueTimes dues;
    constexpr std::uint64_t kSessions = 10'000;
    for (std::uint64_t i = 0; i < kSessions; ++i) {
        const std::uint64_t second = i * 7'919 % kSessions;
        dues.add({at(second), i, DueFor::slow}, [](std::uint64_t) { return true; });
    }
    ASSERT_EQ(dues.size(), kSessions);
    for (std::uint64_t second = 0; second < kSessions; ++second, dues.pop())
        ASSERT_EQ(dues.top().time, at(second));
    EXPECT_TRUE(dues.empty());
}

}  // namespace
}  // namespace crucible::runtime
