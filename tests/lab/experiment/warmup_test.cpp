#include "lab/experiment/warmup.h"

#include <gtest/gtest.h>

#include <cmath>

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

/// 40 points of 100 ms, the first 500 ms of them warm-up by the plan; `handled` and mean latency by
/// the point.
PhaseResult phase(Phase of, double (*handled)(int), double (*latency_ms)(int)) {
    PhaseResult result;
    result.phase = std::move(of);
    result.clients.push_back({.window_start = 500ms, .window = 3500ms});
    for (int i = 0; i < 40; ++i) {
        const auto count = static_cast<std::uint64_t>(handled(i));
        result.series.push_back({.handled = count,
                                 .latency_sum = Duration(std::llround(static_cast<double>(count) *
                                                                      1e6 * latency_ms(i)))});
    }
    return result;
}

PhaseResult closed(double (*handled)(int)) {
    return phase(maximum_phase(3500ms, 500ms), handled, [](int) { return 1.0; });
}

PhaseResult open(double (*latency_ms)(int)) {
    return phase(
        steady_phase(*base::Rate::per_second(1000), 3500, 500ms), [](int) { return 100.0; },
        latency_ms);
}

double wobble(int i) {
    return i % 2 == 0 ? 1.0 : -1.0;
}

// Throughput that reaches its level after a second: the warm-up is a second, where the plan has
// half of one. Latency that is steady from the start asks for nothing.
TEST(Warmup, IsAsLongAsTheCourseTakesToSettle) {
    const auto asked =
        warmups_asked({open([](int i) { return 2 + 0.01 * wobble(i); }),
                       closed([](int i) { return i < 10 ? 400.0 + 50 * i : 1000 + wobble(i); })});
    ASSERT_EQ(asked.size(), 2u);
    EXPECT_EQ(asked[0], 0ms);
    EXPECT_EQ(asked[1], 1000ms);
}

// The latency of an open loop settles too; its throughput is the plan's and would show nothing.
TEST(Warmup, LooksAtLatencyInAnOpenLoop) {
    const auto asked =
        warmups_asked({open([](int i) { return (i < 15 ? 5.0 : 2.0) + 0.01 * wobble(i); })});
    EXPECT_EQ(asked[0], 1500ms);
}

// A course that says nothing about a warm-up asks for none: a saturated one rises to the end, and a
// short one has no batches to compare.
TEST(Warmup, OfSaturatedOrShortPhasesIsNotAsked) {
    auto saturated = open([](int i) { return 1.0 + i; });
    saturated.saturated = true;
    auto brief = closed([](int i) { return i < 5 ? 100.0 : 1000.0; });
    brief.clients[0].window = 400ms;
    const auto asked = warmups_asked({saturated, brief, PhaseResult{}});
    EXPECT_EQ(asked, std::vector<Duration>(3, 0ms));
}

}  // namespace
}  // namespace crucible::lab
