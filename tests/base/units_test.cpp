#include "base/units.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace crucible::base {
namespace {

using namespace std::chrono_literals;

// 30 kHz has a period of 33,333.3 ns: steps of 33,333 ns would run 10 ppm fast and be 864 ms early
// after a day. Every whole second must come out exactly.
TEST(Rate, IsDueFromTheIndexWithoutDrift) {
    const auto rate = *Rate::per_second(30'000);
    EXPECT_EQ(rate.due(0), 0ns);
    EXPECT_EQ(rate.due(1), 33'333ns);
    EXPECT_EQ(rate.due(2), 66'667ns);
    EXPECT_EQ(rate.due(3), 100'000ns);
    EXPECT_EQ(rate.due(30'000), 1s);
    EXPECT_EQ(rate.due(30'000ull * 86'400), 24h);
    EXPECT_EQ(rate.due(30'000ull * 86'400 * 365), 24h * 365);
    EXPECT_EQ(rate.due(30'000ull * 86'400 * 365 + 1), 24h * 365 + 33'333ns);
}

// No event is due before its predecessor, and gaps differ by at most the rounding of 1 ns.
TEST(Rate, SpacesEventsEvenly) {
    for (const double per_second : {1.0, 3.0, 7.5, 1'000.0, 30'000.0, 999'983.0}) {
        const auto rate = *Rate::per_second(per_second);
        const double period = 1e9 / per_second;
        for (std::uint64_t i = 1; i < 5'000; ++i) {
            const auto gap = static_cast<double>((rate.due(i) - rate.due(i - 1)).count());
            ASSERT_NEAR(gap, period, 1.0) << per_second << "/s, event " << i;
        }
    }
}

TEST(Rate, HoldsItsLimits) {
    EXPECT_TRUE(Rate::per_second(1e-9));
    EXPECT_TRUE(Rate::per_second(1e9));
    EXPECT_EQ(Rate::per_second(1e9)->due(12'345), 12'345ns);
    for (const double wrong : {0.0, -1.0, 1.0000001e9, std::numeric_limits<double>::infinity(),
                               std::numeric_limits<double>::quiet_NaN()}) {
        const auto rate = Rate::per_second(wrong);
        ASSERT_FALSE(rate) << wrong;
        EXPECT_EQ(rate.error().code, Errc::invalid_argument);
    }
}

TEST(Units, ParseRates) {
    for (const auto& [text, expected] :
         std::vector<std::pair<std::string, double>>{{"500/s", 500},
                                                     {"500", 500},
                                                     {"2k/s", 2'000},
                                                     {"2k", 2'000},
                                                     {"1.5M/s", 1.5e6},
                                                     {"0.5/s", 0.5},
                                                     {"1e3/s", 1'000}}) {
        const auto rate = parse_rate(text);
        ASSERT_TRUE(rate) << text;
        EXPECT_EQ(rate->events_per_second(), expected) << text;
    }
}

// The message is what a user reads: it names the text and a form that works.
TEST(Units, RefuseBadRates) {
    for (const std::string text : {"", "0", "0/s", "-5/s", "fast", "5/m", "5 /s", "inf", "nan/s",
                                   "2000M/s", "+5/s", "0x10"}) {
        const auto rate = parse_rate(text);
        ASSERT_FALSE(rate) << text;
        EXPECT_EQ(rate.error().code, Errc::invalid_argument);
        EXPECT_EQ(rate.error().message,
                  "rate '" + text +
                      "': a number of events per second above 0 and at most 1e9, e.g. 500/s or "
                      "2k/s");
    }
}

TEST(Units, ParseDurations) {
    for (const auto& [text, expected] :
         std::vector<std::pair<std::string, Duration>>{{"200ms", 200ms},
                                                       {"1.5s", 1'500ms},
                                                       {"2m", 2min},
                                                       {"1h", 1h},
                                                       {"100us", 100us},
                                                       {"100µs", 100us},
                                                       {"50ns", 50ns},
                                                       {"0s", 0s},
                                                       {"0.4ns", 0ns},
                                                       {"0.5ns", 1ns}}) {
        const auto duration = parse_duration(text);
        ASSERT_TRUE(duration) << text;
        EXPECT_EQ(*duration, expected) << text;
    }
    for (const std::string text : {"", "5", "-1s", "1d", "s", "1 s", "300y", "3000000h", "nans"}) {
        const auto duration = parse_duration(text);
        ASSERT_FALSE(duration) << text;
        EXPECT_EQ(duration.error().code, Errc::invalid_argument);
        EXPECT_EQ(duration.error().message,
                  "duration '" + text +
                      "': a number of at least 0 with ns, us, ms, s, m or h, e.g. 200ms");
    }
}

TEST(Units, ParseBytes) {
    for (const auto& [text, expected] :
         std::vector<std::pair<std::string, std::uint64_t>>{{"512", 512},
                                                            {"512B", 512},
                                                            {"4KiB", 4'096},
                                                            {"10MiB", 10'485'760},
                                                            {"4kB", 4'000},
                                                            {"1.5KiB", 1'536},
                                                            {"2MB", 2'000'000},
                                                            {"1GiB", 1'073'741'824},
                                                            {"3GB", 3'000'000'000},
                                                            {"0", 0}}) {
        const auto bytes = parse_bytes(text);
        ASSERT_TRUE(bytes) << text;
        EXPECT_EQ(*bytes, expected) << text;
    }
    for (const std::string text : {"", "-1", "4K", "4 KiB", "KiB", "1e30"}) {
        const auto bytes = parse_bytes(text);
        ASSERT_FALSE(bytes) << text;
        EXPECT_EQ(bytes.error().code, Errc::invalid_argument);
        EXPECT_NE(bytes.error().message.find("size '" + text + "'"), std::string::npos);
    }
}

TEST(Units, ParseFractions) {
    EXPECT_EQ(*parse_fraction("5%"), 0.05);
    EXPECT_EQ(*parse_fraction("0.05"), 0.05);
    EXPECT_DOUBLE_EQ(*parse_fraction("0.1%"), 0.001);
    for (const std::string text : {"", "%", "5 %", "five", "nan"}) {
        EXPECT_FALSE(parse_fraction(text)) << text;
    }
}

// Three significant digits everywhere, and the unit is chosen after rounding: "1000 us" and
// "10.00 ms" would each be a digit that was not measured.
TEST(Units, FormatDurations) {
    for (const auto& [seconds, expected] :
         std::vector<std::pair<double, std::string>>{{0, "0.00 ns"},
                                                     {1e-9, "1.00 ns"},
                                                     {412e-6, "412 us"},
                                                     {1.534e-3, "1.53 ms"},
                                                     {2, "2.00 s"},
                                                     {12.34, "12.3 s"},
                                                     {3600, "3600 s"},
                                                     {9.994e-3, "9.99 ms"},
                                                     {9.996e-3, "10.0 ms"},
                                                     {99.96e-6, "100 us"},
                                                     {999.4e-6, "999 us"},
                                                     {999.6e-6, "1.00 ms"},
                                                     {0.9996, "1.00 s"},
                                                     {999.96e-9, "1.00 us"},
                                                     {-1.5e-3, "-1.50 ms"}}) {
        EXPECT_EQ(format_duration(seconds), expected) << seconds;
    }
}

TEST(Units, FormatBytes) {
    EXPECT_EQ(format_bytes(0), "0 B");
    EXPECT_EQ(format_bytes(512), "512 B");
    EXPECT_EQ(format_bytes(1'024), "1.00 KiB");
    EXPECT_EQ(format_bytes(4.2 * 1'048'576), "4.20 MiB");
    EXPECT_EQ(format_bytes(12.0 * 1'073'741'824), "12.0 GiB");
    EXPECT_EQ(format_bytes(-2'048), "-2.00 KiB");
}

TEST(Units, FormatCounts) {
    for (const auto& [count, expected] :
         std::vector<std::pair<double, std::string>>{{0, "0"},
                                                     {7, "7"},
                                                     {0.25, "0.25"},
                                                     {12.34, "12.3"},
                                                     {999, "999"},
                                                     {1'000, "1,000"},
                                                     {12'345, "12,345"},
                                                     {-12'345, "-12,345"},
                                                     {100'000, "100 k"},
                                                     {123'456, "123 k"},
                                                     {999'400, "999 k"},
                                                     {999'600, "1.00 M"},
                                                     {1e6, "1.00 M"},
                                                     {2.5e7, "25.0 M"}}) {
        EXPECT_EQ(format_count(count), expected) << count;
    }
}

}  // namespace
}  // namespace crucible::base
