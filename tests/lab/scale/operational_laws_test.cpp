#include "lab/scale/operational_laws.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace crucible::lab::scale {
namespace {

/// Two workers, 4 ms of them for each of 400 completions/s over 10 s, 6 ms of service on the whole
/// way; a population of 6 that waits for 7 ms and thinks for 8 ms: all of it consistent.
Operation consistent() {
    return {.seconds = 10,
            .completions = 4000,
            .servers = 2,
            .busy_seconds = 16,
            .service_seconds = 0.004,
            .all_service_seconds = 0.006,
            .population = 6,
            .response_seconds = 0.007,
            .think_seconds = 0.008};
}

LawCheck check_of(const Operation& operation, OperationalLaw law) {
    const auto checks = check_laws(operation, 0.05);
    const auto found = std::ranges::find(checks, law, &LawCheck::law);
    EXPECT_NE(found, checks.end());
    return *found;
}

// Utilization 0.8 each, population 400 * 0.015, at most 500/s by the workers and 428/s by the
// population.
TEST(OperationalLaws, HoldWhereFiguresAgree) {
    const auto checks = check_laws(consistent(), 0.05);
    ASSERT_EQ(checks.size(), 5U);
    for (const auto& check : checks) {
        EXPECT_TRUE(check.holds) << to_string(check.law) << " " << check.gap;
    }
    EXPECT_NEAR(checks[0].expected, 0.8, 1e-12);
    EXPECT_NEAR(checks[0].observed, 0.8, 1e-12);
    EXPECT_NEAR(checks[1].expected, 6, 1e-12);
    EXPECT_NEAR(checks[2].expected, 500, 1e-9);
    EXPECT_NEAR(checks[3].expected, 6 / 0.014, 1e-9);
    EXPECT_NEAR(checks[4].expected, 0.006, 1e-12);
}

// Each figure that is wrong breaks the law that it belongs to. A bound is broken on one side only.
TEST(OperationalLaws, BreakWhereAFigureIsWrong) {
    auto busy = consistent();
    busy.busy_seconds = 18;
    EXPECT_FALSE(check_of(busy, OperationalLaw::utilization).holds);
    auto population = consistent();
    population.population = 6.5;
    EXPECT_FALSE(check_of(population, OperationalLaw::littles).holds);
    EXPECT_NEAR(check_of(population, OperationalLaw::littles).gap, 0.5 / 6, 1e-12);
    auto service = consistent();
    service.service_seconds = 0.006;
    EXPECT_FALSE(check_of(service, OperationalLaw::bottleneck).holds);
    service.service_seconds = 0.001;
    EXPECT_TRUE(check_of(service, OperationalLaw::bottleneck).holds);
    auto few = consistent();
    few.population = 5;
    EXPECT_FALSE(check_of(few, OperationalLaw::population_bound).holds);
    auto quick = consistent();
    quick.response_seconds = 0.005;
    EXPECT_FALSE(check_of(quick, OperationalLaw::response_bound).holds);
}

// A population that was sampled is known to its error alone.
TEST(OperationalLaws, AllowForWhatSamplesMiss) {
    auto sampled = consistent();
    sampled.population = 6.5;
    sampled.population_error = 0.25;
    const auto littles = check_of(sampled, OperationalLaw::littles);
    EXPECT_NEAR(littles.tolerance, 0.05 + 0.25 / 6, 1e-12);
    EXPECT_TRUE(littles.holds);
    sampled.population = 5;
    sampled.population_error = 0.75;
    EXPECT_NEAR(check_of(sampled, OperationalLaw::population_bound).tolerance, 0.05 + 0.15, 1e-12);
    EXPECT_TRUE(check_of(sampled, OperationalLaw::population_bound).holds);
    sampled.population = 4;
    EXPECT_FALSE(check_of(sampled, OperationalLaw::littles).holds);
    EXPECT_FALSE(check_of(sampled, OperationalLaw::population_bound).holds);
}

// What was not measured is not checked.
TEST(OperationalLaws, SkipWhatWasNotMeasured) {
    EXPECT_TRUE(check_laws({.seconds = 1, .completions = 1}, 0.05).empty());
}

}  // namespace
}  // namespace crucible::lab::scale
