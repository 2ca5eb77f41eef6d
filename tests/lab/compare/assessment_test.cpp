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
