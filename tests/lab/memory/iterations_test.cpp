#include "lab/memory/iterations.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

std::vector<std::uint64_t> events_of(const std::vector<Phase>& phases) {
    std::vector<std::uint64_t> events;
    for (const auto& phase : phases) events.push_back(phase.events());
    return events;
}

// From half to one and a half of the mean, one in each of 44 parts of that; in all 44 within a
// tenth.
TEST(IterationLengths, DifferAndAddUp) {
    const auto lengths = iteration_lengths(44, 1);
    EXPECT_NEAR(std::reduce(lengths.begin(), lengths.end()), 44, 0.15);
    auto sorted = lengths;
    std::ranges::sort(sorted);
    EXPECT_NE(lengths, sorted);
    for (std::size_t i = 0; i < sorted.size(); ++i) {
        EXPECT_GE(sorted[i], 0.5 + static_cast<double>(i) / 44);
        EXPECT_LT(sorted[i], 0.5 + static_cast<double>(i + 1) / 44);
    }
    EXPECT_EQ(iteration_lengths(44, 1), lengths);
    EXPECT_NE(iteration_lengths(44, 2), lengths);
}

// What `crucible profile --leaks 20` drives with 1,000 events: no two iterations have as many, and
// all have the same rate.
TEST(UnequalIterations, HaveUnequalNumbersOfEvents) {
    const std::vector once{steady_phase(*base::Rate::per_second(500), 1000, 1s)};
    const auto phases = unequal_iterations(once, 24, 7);
    ASSERT_TRUE(phases) << phases.error().message;
    ASSERT_EQ(phases->size(), 24U);
    const auto lengths = iteration_lengths(24, 7);
    auto events = events_of(*phases);
    for (std::size_t i = 0; i < events.size(); ++i) {
        const auto& phase = (*phases)[i];
        EXPECT_NEAR(static_cast<double>(events[i]), 1000 * lengths[i], 1);
        EXPECT_NEAR(static_cast<double>(phase.warmup_events()), 500 * lengths[i], 1);
        EXPECT_DOUBLE_EQ(phase.pattern->mean_rate(), 500);
        // Clients read it in its own words.
        EXPECT_EQ(Pattern::parse(phase.pattern->text()), *phase.pattern);
    }
    std::ranges::sort(events);
    EXPECT_EQ(std::ranges::adjacent_find(events), events.end());
}

// All phases of an iteration are longer together, in closed loop too.
TEST(UnequalIterations, HaveAllPhases) {
    std::vector once{steady_phase(*base::Rate::per_second(500), 1000), maximum_phase(2s)};
    const auto phases = unequal_iterations(once, 2, 3);
    ASSERT_TRUE(phases) << phases.error().message;
    ASSERT_EQ(phases->size(), 4U);
    const auto lengths = iteration_lengths(2, 3);
    for (const std::size_t i : {0, 1}) {
        EXPECT_NEAR(static_cast<double>((*phases)[2 * i].events()), 1000 * lengths[i], 1);
        EXPECT_EQ((*phases)[2 * i + 1].duration(), Duration(std::llround(2e9 * lengths[i])));
    }
}

}  // namespace
}  // namespace crucible::lab
