#include "runtime/route/time_window.h"

#include <gtest/gtest.h>

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;

/// Monday the 5th of January 2026, that many hours later.
WallTime monday(Duration later) {
    return std::chrono::sys_days(std::chrono::year(2026) / 1 / 5) + later;
}

// Its first moment belongs to it and its last does not: two windows that meet leave no gap and
// share nothing.
TEST(TimeWindow, HoldsItsBeginningAndNotItsEnd) {
    const TimeWindow window{9h, 17h};
    EXPECT_FALSE(window.contains(monday(9h - 1ns)));
    EXPECT_TRUE(window.contains(monday(9h)));
    EXPECT_TRUE(window.contains(monday(17h - 1ns)));
    EXPECT_FALSE(window.contains(monday(17h)));
}

// The night of Friday is Friday's until Saturday morning.
TEST(TimeWindow, BelongsToTheDayOnWhichItBegan) {
    const TimeWindow window{22h, 6h, {Weekday::fri}};
    EXPECT_TRUE(window.contains(monday(4 * 24h + 22h)));
    EXPECT_TRUE(window.contains(monday(5 * 24h + 5h)));
    EXPECT_FALSE(window.contains(monday(5 * 24h + 6h)));
    EXPECT_FALSE(window.contains(monday(4 * 24h + 5h)));
    EXPECT_FALSE(window.contains(monday(5 * 24h + 22h)));
}

// Days alone mean whole days; before 1970 a division would round towards zero.
TEST(TimeWindow, KnowsWeekdaysOfAllTimes) {
    const TimeWindow weekend{.days = {Weekday::sat, Weekday::sun}};
    EXPECT_FALSE(weekend.contains(monday(5 * 24h - 1ns)));
    EXPECT_TRUE(weekend.contains(monday(5 * 24h)));
    EXPECT_TRUE(weekend.contains(monday(7 * 24h - 1ns)));
    EXPECT_FALSE(weekend.contains(monday(7 * 24h)));
    // Wednesday the 31st of December 1969.
    EXPECT_TRUE((TimeWindow{.days = {Weekday::wed}}).contains(WallTime(-1ns)));
}

TEST(TimeWindow, ReadsTimesOfDay) {
    EXPECT_EQ(parse_time_of_day("00:00"), 0s);
    EXPECT_EQ(parse_time_of_day("22:05"), 22h + 5min);
    EXPECT_EQ(parse_time_of_day("22:05:59"), 22h + 5min + 59s);
    EXPECT_EQ(parse_time_of_day("24:00"), 24h);
    for (const char* text : {"", "9:00", "24:01", "25:00", "12:60", "12:00:60", "12-00",
                             "12:00:", "ab:cd", "12:00:00.5", "+1:00"})
        EXPECT_FALSE(parse_time_of_day(text)) << text;
}

}  // namespace
}  // namespace crucible::runtime
