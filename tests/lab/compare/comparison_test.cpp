#include "lab/compare/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "lab/compare/simulated_experiment.h"

namespace crucible::lab {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

const MetricComparison& metric(const Comparison& comparison, std::string_view name) {
    for (const auto& value : comparison.scenarios.at(0).metrics) {
        if (value.info->name == name) return value;
    }
    ADD_FAILURE() << name;
    return comparison.scenarios[0].metrics.front();
}

MetricValue& value_of(ArmResult& arm, std::string_view name) {
    for (auto& value : arm.metrics) {
        if (value.info->name == name) return value;
    }
    ADD_FAILURE() << name;
    return arm.metrics.front();
}

void make_absent(ArmResult& arm, std::string_view name, std::string reason) {
    auto& value = value_of(arm, name);
    value.value.reset();
    value.absent = std::move(reason);
}

// Two copies of one system in eight quiet rounds: every gated metric equivalent, and that is the
// verdict.
TEST(Compare, IdenticalSystemsDoNotDiffer) {
    const auto comparison = compare(Simulation{.rounds = 8}.experiment(), {});
    EXPECT_EQ(comparison.verdict, OverallVerdict::no_difference);
    for (const auto& value : comparison.scenarios[0].metrics) {
        EXPECT_EQ(value.verdict, MetricVerdict::equivalent) << value.info->name;
    }
    EXPECT_EQ(metric(comparison, "error_rate").reason,
              "none in 16,000 events of the baseline and 16,000 of the candidate");
    EXPECT_THAT(comparison.reasons,
                Contains("every gated metric is equivalent or changed within the margin"));
}

// Whole comparisons, all metrics, noise far above the margin, twenty seeds: never better or worse.
TEST(Compare, NoiseIsNeverCalledADifference) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const auto comparison =
            compare(Simulation{.rounds = 8, .seed = seed, .noise = 0.5}.experiment(), {});
        for (const auto& value : comparison.scenarios[0].metrics) {
            EXPECT_TRUE(value.verdict == MetricVerdict::equivalent ||
                        value.verdict == MetricVerdict::inconclusive)
                << value.info->name << " seed " << seed;
        }
        EXPECT_EQ(comparison.verdict, OverallVerdict::not_proven);
        EXPECT_THAT(
            comparison.reasons,
            Contains(testing::AnyOf(StartsWith("more than 1,000 rounds"), StartsWith("about "))));
    }
}

// +30 % throughput and nothing else changed: adopt, because of it.
TEST(Compare, AdoptsWhatIsBetterAndNowhereWorse) {
    const Simulation simulation{.candidate = {{"throughput", 1.3}}};
    const auto comparison = compare(simulation.experiment(), {});
    EXPECT_EQ(metric(comparison, "throughput").verdict, MetricVerdict::better);
    EXPECT_NEAR(metric(comparison, "throughput").ratio->value, 1.3, 0.01);
    EXPECT_EQ(comparison.verdict, OverallVerdict::adopt);
    EXPECT_THAT(comparison.reasons[0], StartsWith("medium: throughput better, +"));
    EXPECT_THAT(comparison.reasons, Contains("no gated metric is worse"));
    EXPECT_THAT(comparison.reasons, Contains("the candidate lost no event"));
}

// For a latency more is worse.
TEST(Compare, KeepsTheBaselineWhereTheCandidateIsWorse) {
    const Simulation simulation{.candidate = {{"latency_p99", 1.3}}};
    const auto comparison = compare(simulation.experiment(), {});
    EXPECT_EQ(metric(comparison, "latency_p99").verdict, MetricVerdict::worse);
    EXPECT_EQ(comparison.verdict, OverallVerdict::keep);
}

// Better here and worse there is for people to weigh.
TEST(Compare, StatesATradeOff) {
    const Simulation simulation{.candidate = {{"throughput", 1.3}, {"memory_peak", 1.5}}};
    const auto comparison = compare(simulation.experiment(), {});
    EXPECT_EQ(comparison.verdict, OverallVerdict::not_proven);
    EXPECT_EQ(comparison.reasons[0],
              "trade-off: better in medium: throughput; worse in medium: memory_peak");
}

// A metric outside the gate family is reported, and decides nothing.
TEST(Compare, OnlyGatedMetricsDecide) {
    const Simulation simulation{.candidate = {{"latency_mean", 2.0}}};
    const auto comparison = compare(simulation.experiment(), {});
    EXPECT_EQ(metric(comparison, "latency_mean").verdict, MetricVerdict::worse);
    EXPECT_EQ(comparison.verdict, OverallVerdict::no_difference);
}

// Three of 2,000 events lost in every round: no throughput makes up for it. error_rate is judged by
// its difference, 0.0015, beyond a tenth of a percent.
TEST(Compare, LosingEventsIsNoTradeOff) {
    const Simulation simulation{.candidate = {{"throughput", 1.5}}, .candidate_lost = 3};
    const auto comparison = compare(simulation.experiment(), {});
    EXPECT_EQ(comparison.verdict, OverallVerdict::keep);
    EXPECT_EQ(metric(comparison, "lost").verdict, MetricVerdict::worse);
    EXPECT_EQ(metric(comparison, "error_rate").verdict, MetricVerdict::worse);
    EXPECT_DOUBLE_EQ(metric(comparison, "error_rate").difference->value, 0.0015);
    EXPECT_FALSE(metric(comparison, "error_rate").ratio);
    EXPECT_THAT(
        comparison.reasons,
        Contains("the candidate lost 30 events, the two copies of the baseline together 0"));
}

// One event in 20,000 lost once: not evidence of a difference, but nothing to adopt either.
TEST(Compare, ASingleLossForbidsAdopting) {
    auto experiment = Simulation{.candidate = {{"throughput", 1.5}}}.experiment();
    auto& arm = experiment.scenarios[0].rounds[3][Arm::candidate];
    arm.phases[0].delivery.lost = 1;
    value_of(arm, "lost").value = 1;
    const auto comparison = compare(experiment, {});
    EXPECT_EQ(comparison.verdict, OverallVerdict::not_proven);
    EXPECT_EQ(metric(comparison, "lost").verdict, MetricVerdict::inconclusive);
    EXPECT_EQ(metric(comparison, "lost").reason,
              "0 in 20,000 events of the baseline, 1 in 20,000 of the candidate");
}

// Latencies don't exist under saturation, but that only the candidate was saturated is a result.
TEST(Compare, OnlyTheCandidateSaturatedIsWorse) {
    auto experiment = Simulation{}.experiment();
    for (auto& round : experiment.scenarios[0].rounds) {
        round[Arm::candidate].phases[0].saturated = true;
        make_absent(round[Arm::candidate], "latency_p99", "saturated");
    }
    const auto comparison = compare(experiment, {});
    EXPECT_EQ(metric(comparison, "latency_p99").verdict, MetricVerdict::worse);
    EXPECT_EQ(
        metric(comparison, "latency_p99").reason,
        "saturated in 10 of 10 rounds: the candidate; the two copies of the baseline: in 0 and "
        "0");
    EXPECT_EQ(comparison.verdict, OverallVerdict::keep);
}

// Rounds that lack a value are not dropped to compare the rest.
TEST(Compare, AMetricMissingInSomeRoundsIsNotCompared) {
    auto experiment = Simulation{.candidate = {{"cpu_per_event", 3}}}.experiment();
    make_absent(experiment.scenarios[0].rounds[0][Arm::control], "cpu_per_event",
                "within the harness's own cost");
    const auto comparison = compare(experiment, {});
    const auto& cpu = metric(comparison, "cpu_per_event");
    EXPECT_EQ(cpu.verdict, MetricVerdict::inconclusive);
    EXPECT_FALSE(cpu.ratio);
    EXPECT_EQ(cpu.reason, "no value in 1 of 10 rounds (control: within the harness's own cost)");
}

// An invalid round is counted and checked, its values kept out: with it throughput would be 40 %.
TEST(Compare, InvalidRoundsAreShownAndNotCompared) {
    auto experiment = Simulation{}.experiment();
    auto& arm = experiment.scenarios[0].rounds[2][Arm::candidate];
    arm.valid = false;
    arm.checks.push_back({.name = "schedule_kept", .passed = false, .detail = "late by 9 ms"});
    value_of(arm, "throughput").value = 1;
    const auto comparison = compare(experiment, {});
    EXPECT_EQ(comparison.scenarios[0].rounds, 9u);
    EXPECT_EQ(comparison.scenarios[0].rounds_invalid, 1u);
    EXPECT_EQ(metric(comparison, "throughput").rounds, 9u);
    EXPECT_GT(metric(comparison, "throughput").ratio->ci_low, 0.98);
    std::map<std::string, Check> checks;
    for (const auto& check : comparison.scenarios[0].checks) checks[check.name] = check;
    EXPECT_FALSE(checks.at("rounds_valid").passed);
    EXPECT_EQ(checks.at("rounds_valid").detail, "9 of 10 rounds");
    EXPECT_EQ(checks.at("schedule_kept").detail, "0 of 1 trials; round 3, candidate: late by 9 ms");
    EXPECT_TRUE(checks.at("conservation").passed);
}

// A partial result decides nothing, however clear it looks.
TEST(Compare, APartialResultProvesNothing) {
    auto experiment = Simulation{.candidate = {{"throughput", 2}}}.experiment();
    experiment.failure = Error{Errc::failed, "daemon:: was killed by signal 9"};
    const auto failed = compare(experiment, {});
    EXPECT_EQ(failed.verdict, OverallVerdict::not_proven);
    EXPECT_EQ(failed.reasons[0],
              "a target failed, the result is partial: daemon:: was killed by signal 9");

    experiment.failure.reset();
    experiment.interrupted = true;
    const auto interrupted = compare(experiment, {});
    EXPECT_EQ(interrupted.verdict, OverallVerdict::not_proven);
    EXPECT_EQ(interrupted.reasons, std::vector<std::string>{"interrupted: the result is partial"});
}

// Too few rounds: the estimate is shown without an interval, and nothing is claimed.
TEST(Compare, ThreeRoundsGiveNoInterval) {
    const Simulation simulation{.rounds = 3, .candidate = {{"throughput", 2}}};
    const auto comparison = compare(simulation.experiment(), {});
    const auto& throughput = metric(comparison, "throughput");
    EXPECT_EQ(throughput.verdict, MetricVerdict::inconclusive);
    EXPECT_NEAR(throughput.ratio->value, 2, 0.05);
    EXPECT_TRUE(std::isnan(throughput.ratio->ci_low));
    EXPECT_EQ(comparison.verdict, OverallVerdict::not_proven);
    EXPECT_THAT(comparison.reasons, Contains(HasSubstr("3 rounds; an interval needs at least 6")));
}

// Same rounds, same answer, to the last bit.
TEST(Compare, IsDeterministic) {
    const auto experiment = Simulation{.noise = 0.1}.experiment();
    const auto a = compare(experiment, {});
    const auto b = compare(experiment, {});
    EXPECT_EQ(metric(a, "latency_p99").ratio->ci_low, metric(b, "latency_p99").ratio->ci_low);
    EXPECT_EQ(a.reasons, b.reasons);
}

}  // namespace
}  // namespace crucible::lab
