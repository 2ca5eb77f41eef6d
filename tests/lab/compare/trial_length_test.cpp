#include "lab/compare/trial_length.h"

#include <gtest/gtest.h>

#include <cmath>

#include "lab/compare/simulated_experiment.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

/// Closed loops of 2 s in trials of 5 s; each 100 ms varies by `within`, each trial by `between`.
ScenarioRounds rounds_of(double within, double between, std::uint32_t count = 20) {
    auto rounds = Simulation{.rounds = count}.experiment().scenarios[0];
    base::Rng rng(5);
    const auto uniform = [&rng](double deviation) {
        return deviation * std::sqrt(12.0) * (rng.uniform() - 0.5);
    };
    for (auto& round : rounds.rounds) {
        for (const Arm arm : {Arm::baseline, Arm::control}) {
            auto& phase = round[arm].phases[1];
            phase.clients[0].series_interval = Series::kFine;
            const double level = 10'000 * (1 + uniform(between));
            for (auto& point : phase.series)
                point.handled = static_cast<std::uint64_t>(level * (1 + uniform(within)));
            phase.throughput = 10 * level;
        }
    }
    return rounds;
}

// Within a trial 100 ms vary by 20 % and trials by 4 % beyond that; 100 ms cost 0.1 s, another
// trial 3 s: sqrt(3 / 0.1 * 0.2^2 / 0.04^2) = 27 stretches are best. The variances are estimated,
// so that it is within a third of that.
TEST(TrialLength, IsTheOneOfKaliberaAndJones) {
    const auto length = best_trial_length(rounds_of(0.2, 0.04, 200));
    ASSERT_TRUE(length);
    EXPECT_EQ(length->now, 2s);
    EXPECT_NEAR(std::chrono::duration<double>(length->best).count(), 2.7, 0.9);
    EXPECT_NEAR(length->within, 0.2, 0.01);
    EXPECT_NEAR(length->from_trials, 0.04, 0.01);
}

// Where only trials differ, one stretch of each tells all.
TEST(TrialLength, IsShortWhereOnlyTrialsDiffer) {
    const auto length = best_trial_length(rounds_of(0.002, 0.1));
    ASSERT_TRUE(length);
    EXPECT_EQ(length->best, 100ms);
}

// Too few rounds have no variance worth the name, and an open loop no throughput of its own.
TEST(TrialLength, IsNotSaidWhereItCannotBeKnown) {
    EXPECT_FALSE(best_trial_length(rounds_of(0.1, 0.1, 5)));
    auto rounds = rounds_of(0.1, 0.1);
    for (auto& round : rounds.rounds)
        for (auto& arm : round.arms) arm.phases.resize(1);
    EXPECT_FALSE(best_trial_length(rounds));
}

}  // namespace
}  // namespace crucible::lab
