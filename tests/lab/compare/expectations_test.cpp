#include "lab/compare/expectations.h"

#include <gtest/gtest.h>

#include <cmath>

namespace crucible::lab {
namespace {

ExpectationOutcome judged(std::string_view metric, double low, double high, Estimate anytime) {
    MetricComparison found;
    found.info = find_metric(metric);
    found.ratio = Estimate{1.1, 1.0, 1.2};
    found.anytime = anytime;
    return judge_expectation({found.info, low, high}, found).outcome;
}

// Throughput +10 to +30 %: more is better. The ends belong to the prediction.
TEST(Expectation, IsJudgedByTheWholeInterval) {
    const auto throughput = [](double low, double high) {
        return judged("throughput", 0.10, 0.30, {1.2, low, high});
    };
    EXPECT_EQ(throughput(1.12, 1.25), ExpectationOutcome::met);
    EXPECT_EQ(throughput(1.31, 1.50), ExpectationOutcome::exceeded);
    EXPECT_EQ(throughput(0.95, 1.09), ExpectationOutcome::missed);
    EXPECT_EQ(throughput(1.05, 1.20), ExpectationOutcome::not_proven);
    EXPECT_EQ(throughput(1.05, 1.50), ExpectationOutcome::not_proven);
    EXPECT_EQ(throughput(-INFINITY, 1.05), ExpectationOutcome::missed);
    EXPECT_EQ(throughput(1.15, INFINITY), ExpectationOutcome::not_proven);
}

// Latency -20 to -5 %: less is better, so that below the range is beyond what was promised.
TEST(Expectation, KnowsWhichWayIsBetter) {
    const auto latency = [](double low, double high) {
        return judged("latency_p50", -0.20, -0.05, {0.9, low, high});
    };
    EXPECT_EQ(latency(0.82, 0.94), ExpectationOutcome::met);
    EXPECT_EQ(latency(0.60, 0.75), ExpectationOutcome::exceeded);
    EXPECT_EQ(latency(0.97, 1.10), ExpectationOutcome::missed);
    EXPECT_EQ(latency(0.75, 0.90), ExpectationOutcome::not_proven);
}

// What was not measured proves nothing, and says why.
TEST(Expectation, OfAMetricWithoutARatioIsNotProven) {
    MetricComparison found;
    found.info = find_metric("latency_p99");
    found.reason = "no value in 3 of 10 rounds";
    const auto result = judge_expectation({found.info, -0.2, -0.05}, found);
    EXPECT_EQ(result.outcome, ExpectationOutcome::not_proven);
    EXPECT_EQ(result.evidence, "no value in 3 of 10 rounds");
    found.ratio = Estimate{1.386, 1.266, 1.511};
    found.anytime = Estimate{1.386, 1.25, INFINITY};
    EXPECT_EQ(judge_expectation({found.info, -0.2, -0.05}, found).evidence,
              "+38.6 % [+25.0, open]");
}

}  // namespace
}  // namespace crucible::lab
