#include "lab/report/wording.h"

#include <gtest/gtest.h>

#include "lab/report/svg.h"
#include "lab/report/typography.h"

namespace crucible::lab::report {
namespace {

// A ratio is shown as people say it; "-0.0 %" would claim a direction that is not there.
TEST(Wording, TurnsRatiosIntoPercent) {
    EXPECT_EQ(format_percent_change(1.365), "+36.5");
    EXPECT_EQ(format_percent_change(0.5), "-50.0");
    EXPECT_EQ(format_percent_change(3.2), "+220");
    EXPECT_EQ(format_percent_change(0.99999), "+0.0");
    EXPECT_EQ(format_ratio_interval({.value = 1.0, .low = 0.9, .high = 1.2}), "-10.0, +20.0");
    EXPECT_EQ(format_ratio_interval({.value = 1.0, .low = {}, .high = {}}), "");
}

// Each unit of the format has its own form; a share of errors is a percentage.
TEST(Wording, ShowsValuesInTheirUnits) {
    EXPECT_EQ(format_value("latency_p99", "s", 0.00153), "1.53 ms");
    EXPECT_EQ(format_value("throughput", "events/s", 9437.2), "9,437/s");
    EXPECT_EQ(format_value("payload_throughput", "bytes/s", 7082070), "6.75 MiB/s");
    EXPECT_EQ(format_value("memory_peak", "bytes", 61149600), "58.3 MiB");
    EXPECT_EQ(format_value("error_rate", "1", 0.001), "0.100 %");
    EXPECT_EQ(format_value("fairness", "1", 0.996), "0.996");
    EXPECT_EQ(format_value("cpu_utilization", "cores", 0.2277), "0.228");
    EXPECT_EQ(format_value("lost", "events", 12), "12");
    EXPECT_EQ(format_value("lost", "events", std::nullopt), "—");
}

// "2.00 s" suggests a measurement where a plan is meant.
TEST(Wording, ShowsAskedFiguresWithoutZeros) {
    EXPECT_EQ(exact("2.00 s"), "2 s");
    EXPECT_EQ(exact("1.50 KiB"), "1.5 KiB");
    EXPECT_EQ(exact("500 ms"), "500 ms");
    EXPECT_EQ(exact("10.0 ms"), "10 ms");
    EXPECT_EQ(format_integer(1234567), "1,234,567");
    EXPECT_EQ(format_integer(999), "999");
}

// The command is there to be pasted: the shell must not take '&' or '?' for itself.
TEST(Wording, QuotesTheCommandForTheShell) {
    EXPECT_EQ(shell_command({"crucible", "compare", "coordinator:", "daemon:?work=none&clients=8"}),
              "crucible compare coordinator: 'daemon:?work=none&clients=8'");
    EXPECT_EQ(shell_command({"echo", "it's", ""}), "echo 'it'\\''s' ''");
}

// A hyphen within a word or an option is no minus.
TEST(Typography, SetsFiguresForAPage) {
    EXPECT_EQ(typeset("-2.6 %"), "\u22122.6\u00a0%");
    EXPECT_EQ(typeset("[-8.4, +1.8]"), "[\u22128.4, +1.8]");
    EXPECT_EQ(typeset("623 us"), "623\u00a0µs");
    EXPECT_EQ(typeset("[+1 us, +2 us]"), "[+1\u00a0µs, +2\u00a0µs]");
    EXPECT_EQ(typeset("client-2"), "client-2");
    EXPECT_EQ(typeset_duration(0.002), "2\u00a0ms");
}

// Ticks are round, inside the axis, and few enough to be read.
TEST(Ticks, AreRoundAndInside) {
    EXPECT_EQ(linear_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
    EXPECT_EQ(linear_ticks(-1, 1, 2), (std::vector<double>{-1, 0, 1}));
    for (const auto& [low, high] : {std::pair{1e-4, 1e-2}, {1e-9, 1e3}, {3e-4, 3.3e-4}}) {
        const auto ticks = log_ticks(low, high);
        EXPECT_LE(ticks.size(), 8u);
        for (const double tick : ticks) {
            EXPECT_GE(tick, low * 0.999);
            EXPECT_LE(tick, high * 1.001);
        }
    }
    EXPECT_EQ(log_ticks(0.9, 101), (std::vector<double>{1, 2, 5, 10, 20, 50, 100}));
}

// On a logarithmic axis equal factors take equal room.
TEST(Scale, PlacesValues) {
    const Scale log(1, 100, 0, 200, true);
    EXPECT_DOUBLE_EQ(log(10), 100);
    const Scale falling(0, 10, 100, 0, false);
    EXPECT_DOUBLE_EQ(falling(10), 0);
    EXPECT_DOUBLE_EQ(falling(2.5), 75);
    EXPECT_TRUE(falling.holds(10));
    EXPECT_FALSE(falling.holds(10.1));
}

}  // namespace
}  // namespace crucible::lab::report
