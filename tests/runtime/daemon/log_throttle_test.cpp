#include "runtime/daemon/log_throttle.h"

#include <gtest/gtest.h>

#include <chrono>

namespace crucible::runtime {
namespace {

// Ten thousand connections that are refused within a second are one line; the next says how many.
TEST(LogThrottle, LetsOneLineThroughAndCountsTheOthers) {
    LogThrottle throttle;
    const TimePoint begun(std::chrono::hours(1));
    EXPECT_EQ(throttle.next(begun), 0u);
    for (int i = 0; i < 9'999; ++i)
        EXPECT_EQ(throttle.next(begun + std::chrono::microseconds(100 * i)), std::nullopt);
    EXPECT_EQ(throttle.next(begun + LogThrottle::kInterval), 9'999u);
    EXPECT_EQ(throttle.next(begun + 2 * LogThrottle::kInterval), 0u);
}

}  // namespace
}  // namespace crucible::runtime
