#include <gtest/gtest.h>

#include "app/crucible/scenario.h"

namespace crucible::app {
namespace {

using namespace std::chrono_literals;

// The sizes that comparisons are known by; a change of the files would change what results mean.
TEST(ShippedScenarios, HaveTheirFixedSizes) {
    struct Expected {
        const char* name;
        std::uint64_t events;
        std::uint32_t services;
        std::uint64_t payload_bytes;
    };
    for (const auto& expected :
         {Expected{"light", 100, 3, 512}, Expected{"medium", 1'000, 10, 1024},
          Expected{"heavy", 10'000, 50, 4096}, Expected{"stress", 100'000, 100, 8192}}) {
        const auto scenario = load_scenario(expected.name);
        ASSERT_TRUE(scenario) << scenario.error().message;
        EXPECT_EQ(scenario->name, expected.name);
        EXPECT_EQ(scenario->events, expected.events);
        EXPECT_EQ(scenario->services, expected.services);
        EXPECT_EQ(scenario->payload.mean(), static_cast<double>(expected.payload_bytes));
        EXPECT_EQ(scenario->clients, 4u);
        EXPECT_TRUE(scenario->steady && scenario->maximum);
    }
}

// The standard list of patterns, each a scenario of its own.
TEST(ShippedScenarios, ThereIsOneForEveryPattern) {
    for (const auto* name :
         {"steady-50", "steady-100", "steady-500", "steady-1000", "burst-100", "burst-500",
          "burst-1000", "ramp-up", "ramp-down", "spike", "step", "sine", "mixed"}) {
        const auto scenario = load_scenario(name);
        ASSERT_TRUE(scenario) << scenario.error().message;
        EXPECT_EQ(scenario->name, name);
        EXPECT_NE(scenario->description, "");
        ASSERT_NE(scenario->steady.has_value(), scenario->shaped.has_value());
        EXPECT_FALSE(scenario->maximum);
        EXPECT_EQ(
            scenario->steady ? scenario->steady->duration : scenario->shaped->pattern->duration(),
            5s)
            << name;
    }
}

// A pass is never cut short, and one that lasts longer than asked is driven whole.
TEST(ShippedScenarios, TrialsAreWholePasses) {
    const auto rate = *base::Rate::per_second(500);
    EXPECT_EQ(events_of_whole_passes(100, rate, 2s), 1'000u);
    EXPECT_EQ(events_of_whole_passes(300, rate, 2s), 1'200u);
    EXPECT_EQ(events_of_whole_passes(100'000, rate, 2s), 100'000u);
    EXPECT_EQ(events_of_whole_passes(100, rate, 1ms), 100u);
}

TEST(ShippedScenarios, FilesMayLeaveOutWhatHasADefault) {
    const auto scenario = parse_scenario("[maximum]\n", "/somewhere/mine.toml");
    ASSERT_TRUE(scenario) << scenario.error().message;
    EXPECT_EQ(scenario->name, "mine");
    EXPECT_FALSE(scenario->steady);
    EXPECT_EQ(scenario->maximum->window, 16u);
    EXPECT_FALSE(parse_scenario("", "empty.toml"));
}

}  // namespace
}  // namespace crucible::app
