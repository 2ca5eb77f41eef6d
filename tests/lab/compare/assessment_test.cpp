#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "lab/compare/comparison.h"
#include "lab/compare/simulated_experiment.h"

namespace crucible::lab {
namespace {

using testing::HasSubstr;

const Criterion& criterion(const Comparison& comparison, std::string_view name) {
    for (const auto& entry : comparison.assessment.criteria) {
        if (entry.name == name) return entry;
    }
    ADD_FAILURE() << name;
    return comparison.assessment.criteria.front();
}

// Two copies of one system: what can be answered is, what was not measured is not claimed, and
// there is nothing to recommend and no risk.
TEST(Assessment, OfIdenticalSystemsHasNoRisks) {
    const auto comparison = compare(Simulation{.rounds = 12}.experiment(), {});
    EXPECT_EQ(criterion(comparison, "baseline_handles_load").outcome, CriterionOutcome::met);
    EXPECT_EQ(criterion(comparison, "baseline_handles_load").evidence,
              "0 of 48,000 events refused or lost, saturated in 0 of 24 trials");
    EXPECT_EQ(criterion(comparison, "baseline_is_stable").outcome, CriterionOutcome::met);
    EXPECT_EQ(criterion(comparison, "candidate_equal_or_better").outcome, CriterionOutcome::met);
    EXPECT_EQ(criterion(comparison, "candidate_more_memory_efficient").outcome,
              CriterionOutcome::not_met);
    for (const auto* name :
         {"baseline_scales_predictably", "candidate_scales_better", "candidate_more_resilient"}) {
        EXPECT_EQ(criterion(comparison, name).outcome, CriterionOutcome::not_measured);
    }
    EXPECT_TRUE(comparison.assessment.recommendations.empty());
    EXPECT_TRUE(comparison.assessment.risks.empty());
}

// 60 % more latency: a risk with what would reveal it, 3 % above the baseline's 1 ms, and something
// to do first. More memory is the smaller of the two.
TEST(Assessment, DerivesRisksFromWhatIsWorse) {
    const Simulation simulation{.candidate = {{"latency_p99", 1.6}, {"memory_peak", 1.1}}};
    const auto comparison = compare(simulation.experiment(), {});
    const auto& risks = comparison.assessment.risks;
    ASSERT_EQ(risks.size(), 2u);
    EXPECT_EQ(risks[0].metric->name, "latency_p99");
    EXPECT_EQ(risks[0].likelihood, RiskLevel::high);
    EXPECT_EQ(risks[0].impact, RiskLevel::high);
    EXPECT_THAT(risks[0].evidence, HasSubstr("beyond the margin against both copies"));
    EXPECT_THAT(risks[0].rollback, HasSubstr("latency_p99 above 0.00103"));
    EXPECT_EQ(risks[1].metric->name, "memory_peak");
    EXPECT_EQ(risks[1].impact, RiskLevel::low);
    EXPECT_EQ(criterion(comparison, "candidate_equal_or_better").outcome,
              CriterionOutcome::not_met);
    EXPECT_THAT(criterion(comparison, "candidate_equal_or_better").evidence,
                HasSubstr("medium: latency_p99 worse (+"));
    ASSERT_EQ(comparison.assessment.recommendations.size(), 2u);
    EXPECT_THAT(comparison.assessment.recommendations[0].text,
                HasSubstr("bring the candidate's latency_p99 under medium back from +"));
}

// What is undecided is recommended to be measured, in as many rounds as that may take.
TEST(Assessment, RecommendsToMeasureWhatIsOpen) {
    const auto comparison = compare(Simulation{.rounds = 8, .noise = 0.1}.experiment(), {});
    const auto& recommendations = comparison.assessment.recommendations;
    ASSERT_FALSE(recommendations.empty());
    EXPECT_THAT(recommendations[0].text,
                HasSubstr("to decide " + std::string(recommendations[0].metric->name)));
    EXPECT_EQ(recommendations[0].scenario, "medium");
    EXPECT_EQ(criterion(comparison, "baseline_is_stable").evidence,
              "a trend needs at least 10 rounds");
}

// A baseline that gets slower from round to round is not stable, however alike its two copies are.
TEST(Assessment, SeesABaselineThatDrifts) {
    auto experiment = Simulation{.rounds = 14}.experiment();
    for (auto& round : experiment.scenarios[0].rounds) {
        for (const Arm arm : {Arm::baseline, Arm::control, Arm::candidate}) {
            for (auto& metric : round[arm].metrics) {
                if (metric.info->name == "latency_p50")
                    *metric.value *= std::exp(0.05 * round.index);
            }
        }
    }
    const auto comparison = compare(experiment, {});
    EXPECT_EQ(criterion(comparison, "baseline_is_stable").outcome, CriterionOutcome::not_met);
    EXPECT_EQ(criterion(comparison, "baseline_is_stable").evidence,
              "a trend from round to round in medium: latency_p50");
    EXPECT_EQ(criterion(comparison, "candidate_equal_or_better").outcome, CriterionOutcome::met);
}

/// `small` and `large` under one comparison, with payloads of these sizes.
Experiment of_sizes(std::vector<std::pair<Simulation, std::string>> parts) {
    Experiment all;
    std::uint64_t seed = 1;
    for (auto& [simulation, payload] : parts) {
        simulation.seed = ++seed;
        auto scenario = simulation.experiment().scenarios[0];
        scenario.scenario.name = payload;
        scenario.scenario.plan.workload.payload = *PayloadSizes::parse(payload);
        all.scenarios.push_back(std::move(scenario));
    }
    return all;
}

// 20 % slower with small payloads and 10 % faster with large ones: it scales better, and the change
// has an interval. The other way round it does not; alike in both is not proven.
TEST(Assessment, JudgesScalingByTheChangeFromSmallToLarge) {
    const Simulation slower{.rounds = 12, .candidate = {{"throughput", 0.8}}};
    const Simulation faster{.rounds = 12, .candidate = {{"throughput", 1.1}}};
    const auto outcome = [](Experiment experiment) {
        return criterion(compare(experiment, {}), "candidate_scales_better");
    };
    const auto better = outcome(of_sizes({{slower, "1KiB"}, {faster, "8KiB"}}));
    EXPECT_EQ(better.outcome, CriterionOutcome::met);
    EXPECT_THAT(better.evidence, HasSubstr("% under 1KiB, +"));
    EXPECT_EQ(outcome(of_sizes({{faster, "1KiB"}, {slower, "8KiB"}})).outcome,
              CriterionOutcome::not_met);
    EXPECT_EQ(outcome(of_sizes({{slower, "1KiB"}, {slower, "8KiB"}})).outcome,
              CriterionOutcome::not_proven);
}

// 100 us an event and 50 us more for each KiB: a line, so that it is predictable. With a step at
// the largest size it is not, and the distance is named.
TEST(Assessment, CallsAStraightLinePredictable) {
    const auto of_time = [](double microseconds) {
        auto simulation = Simulation{.rounds = 8};
        simulation.both = {
            {"throughput", 1e6 / microseconds / Simulation::typical(*find_metric("throughput"))}};
        return simulation;
    };
    const auto line = compare(
        of_sizes({{of_time(150), "1KiB"}, {of_time(300), "4KiB"}, {of_time(500), "8KiB"}}), {});
    EXPECT_EQ(criterion(line, "baseline_scales_predictably").outcome, CriterionOutcome::met);
    EXPECT_THAT(criterion(line, "baseline_scales_predictably").evidence,
                HasSubstr("us for each KiB of payload; the furthest of 3 sizes"));
    const auto step = compare(
        of_sizes({{of_time(150), "1KiB"}, {of_time(700), "4KiB"}, {of_time(500), "8KiB"}}), {});
    EXPECT_EQ(criterion(step, "baseline_scales_predictably").outcome, CriterionOutcome::not_met);
}

// Under a load that surges: half the longest stall makes it more resilient, twice less so, and a
// steady load says nothing about it.
TEST(Assessment, JudgesResilienceUnderALoadThatSurges) {
    const auto outcome = [](double stall) {
        auto experiment =
            Simulation{.rounds = 12, .candidate = {{"longest_stall", stall}}}.experiment();
        experiment.scenarios[0].scenario.plan.phases[0].pattern =
            *Pattern::parse("spike:200,2000,1s,5s");
        return criterion(compare(experiment, {}), "candidate_more_resilient");
    };
    EXPECT_EQ(outcome(0.5).outcome, CriterionOutcome::met);
    EXPECT_THAT(outcome(0.5).evidence, HasSubstr("medium: longest_stall better (-"));
    EXPECT_EQ(outcome(2).outcome, CriterionOutcome::not_met);
    EXPECT_EQ(outcome(1).outcome, CriterionOutcome::not_proven);
}

// From a partial result nothing follows.
TEST(Assessment, OfAPartialResultRecommendsNothing) {
    auto experiment = Simulation{.candidate = {{"latency_p99", 2}}}.experiment();
    experiment.interrupted = true;
    const auto comparison = compare(experiment, {});
    EXPECT_TRUE(comparison.assessment.recommendations.empty());
    EXPECT_TRUE(comparison.assessment.risks.empty());
}

}  // namespace
}  // namespace crucible::lab
