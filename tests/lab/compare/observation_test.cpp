#include "lab/compare/observation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "lab/stats/cliffs_delta.h"
#include "lab/stats/rank_sum.h"
#include "lab/stats/student.h"

namespace crucible::lab {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<double> noisy(double typical, std::size_t count, std::uint64_t seed,
                          double noise = 0.01) {
    base::Rng rng(seed);
    std::vector<double> values;
    for (std::size_t i = 0; i < count; ++i)
        values.push_back(typical * std::exp(noise * (2 * rng.uniform() - 1)));
    return values;
}

/// A benchmark that another program ran, measured on one machine.
StoredResult side(std::string path, std::vector<StoredMetric> metrics) {
    StoredResult result{.kind = StoredKind::google_benchmark, .path = path};
    result.files.push_back({.path = std::move(path), .machine = {{"host_name", "bench"}}});
    StoredScenario scenario{.name = "BM_Send"};
    scenario.repetitions = static_cast<std::uint32_t>(metrics.at(0).values.size());
    scenario.metrics = std::move(metrics);
    result.scenarios.push_back(std::move(scenario));
    return result;
}
StoredResult side(std::string path, std::vector<double> times) {
    return side(std::move(path), {{.name = "real_time", .unit = "s", .values = std::move(times)}});
}

Observation observed(const StoredResult& baseline, const StoredResult& candidate,
                     CompareOptions options = {}) {
    auto observation = observe(baseline, candidate, options);
    EXPECT_TRUE(observation) << observation.error().message;
    return observation.value_or(Observation());
}

const ObservedMetric& first(const Observation& observation) {
    return observation.scenarios.at(0).metrics.at(0);
}

const Check& check(const Observation& observation, std::string_view name) {
    for (const auto& each : observation.checks)
        if (each.name == name) return each;
    ADD_FAILURE() << name;
    return observation.checks.at(0);
}

// The statistics are those of lab/stats, of logarithms where it is a ratio.
TEST(Observation, SaysWhatTheValuesSay) {
    const auto before = noisy(1e-3, 10, 1);
    const auto after = noisy(1.1e-3, 10, 2);
    const auto observation = observed(side("a", before), side("b", after));
    const auto& metric = first(observation);
    std::vector<double> log_before;
    std::vector<double> log_after;
    for (const double value : before) log_before.push_back(std::log(value));
    for (const double value : after) log_after.push_back(std::log(value));
    const auto shift = *stats::hodges_lehmann_shift(log_after, log_before, 0.95);
    EXPECT_DOUBLE_EQ(metric.ratio->value, std::exp(shift.estimate));
    EXPECT_DOUBLE_EQ(metric.ratio->ci_low, std::exp(shift.interval.low));
    EXPECT_DOUBLE_EQ(metric.ratio->ci_high, std::exp(shift.interval.high));
    const auto difference = *stats::hodges_lehmann_shift(after, before, 0.95);
    EXPECT_DOUBLE_EQ(metric.difference->value, difference.estimate);
    EXPECT_DOUBLE_EQ(metric.difference->ci_low, difference.interval.low);
    EXPECT_EQ(metric.p_rank_sum, stats::rank_sum_p_value(after, before));
    EXPECT_DOUBLE_EQ(*metric.p_welch, stats::welch_test(log_after, log_before, 0.95)->p_value);
    EXPECT_DOUBLE_EQ(metric.cliffs_delta->value, stats::cliffs_delta(after, before, 0.95).delta);
    EXPECT_EQ(metric.baseline_values, before);
}

TEST(Observation, TenPercentInTenRepetitionsLookWorse) {
    const auto observation =
        observed(side("a", noisy(1e-3, 10, 1)), side("b", noisy(1.1e-3, 10, 2)));
    EXPECT_EQ(first(observation).verdict, MetricVerdict::worse);
    EXPECT_TRUE(first(observation).different);
    EXPECT_EQ(first(observation).reason, "higher beyond the margin");
    EXPECT_THAT(observation.reasons, Contains(StartsWith("BM_Send: real_time looks worse, +1")));
}

// Whatever its noise, a result never looks different from itself.
TEST(Observation, NothingLooksDifferentFromItself) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const auto values = noisy(1e-3, 4 + seed, seed, 0.5);
        const auto observation = observed(side("a", values), side("b", values));
        const auto& metric = first(observation);
        EXPECT_FALSE(metric.different) << seed;
        EXPECT_TRUE(metric.verdict == MetricVerdict::equivalent ||
                    metric.verdict == MetricVerdict::inconclusive)
            << seed;
    }
    const auto quiet = noisy(1e-3, 10, 1);
    EXPECT_EQ(first(observed(side("a", quiet), side("b", quiet))).verdict,
              MetricVerdict::equivalent);
}

// Whatever they look like: these were two days, and not one experiment.
TEST(Observation, NeverProvesAndSaysHowToProve) {
    auto baseline = side("a", noisy(1e-3, 10, 1));
    auto candidate = side("b", noisy(1.5e-3, 10, 2));
    auto observation = observed(baseline, candidate);
    EXPECT_THAT(observation.reasons.at(0), StartsWith("observational: "));
    EXPECT_EQ(observation.reasons.at(1),
              "for a proof, measure both in turn, as crucible compare A B does with two targets");
    for (auto* result : {&baseline, &candidate}) {
        result->kind = StoredKind::crucible_run;
        result->scenarios[0].load = "{\"clients\":4}";
    }
    baseline.files[0].target = "coordinator:?workers=4";
    candidate.files[0].target = "it's:";
    EXPECT_EQ(observed(baseline, candidate).reasons.at(1),
              "for a proof, measure both in turn: crucible compare 'coordinator:?workers=4' "
              "'it'\\''s:', with the load options of these runs");
    candidate.files[0].target = baseline.files[0].target;
    EXPECT_THAT(observed(baseline, candidate).reasons.at(1),
                StartsWith("both measured coordinator:?workers=4: for a proof, have both"));
}

// Three and three values have no 95 % interval: 2/20 is above 5 %.
TEST(Observation, TooFewRepetitionsHaveNoInterval) {
    const auto observation = observed(side("a", noisy(1e-3, 3, 1)), side("b", noisy(2e-3, 3, 2)));
    const auto& metric = first(observation);
    EXPECT_TRUE(std::isnan(metric.ratio->ci_low));
    EXPECT_NEAR(metric.ratio->value, 2, 0.05);
    EXPECT_EQ(metric.verdict, MetricVerdict::inconclusive);
    EXPECT_EQ(metric.repetitions_needed, 4u);
    EXPECT_EQ(metric.reason, "3 and 3 values; an interval needs at least 4 of each");
    EXPECT_THAT(observation.reasons,
                Contains("fewer repetitions than an interval needs: at least 4 of each"));
}

// One value on each side: what --summary-export gives. No test exists, and nothing crashes.
TEST(Observation, OneValueEachIsShown) {
    const auto observation = observed(side("a", std::vector{1e-3}), side("b", std::vector{2e-3}));
    EXPECT_NEAR(first(observation).ratio->value, 2, 1e-12);
    EXPECT_FALSE(first(observation).p_welch);
    EXPECT_FALSE(first(observation).cliffs_delta);
}

// Seven metrics share 5 %: with five repetitions 2/252 is all that a rank-sum test can give, above
// 5 % / 7. It takes six.
TEST(Observation, AFamilyNeedsMoreRepetitions) {
    std::vector<StoredMetric> before;
    std::vector<StoredMetric> after;
    for (std::uint64_t i = 0; i < 7; ++i) {
        const auto name = "m" + std::to_string(i);
        before.push_back({.name = name, .unit = "s", .values = noisy(1e-3, 5, i)});
        after.push_back(
            {.name = name, .unit = "s", .values = noisy(i == 0 ? 2e-3 : 1e-3, 5, 9 + i)});
    }
    const auto few = observed(side("a", before), side("b", after));
    EXPECT_EQ(first(few).verdict, MetricVerdict::inconclusive);
    EXPECT_EQ(first(few).repetitions_needed, 6u);
    EXPECT_EQ(
        first(few).reason,
        "higher beyond the margin, but not among 7 metrics judged together; 5 and 5 values, a "
        "difference among 7 metrics needs 6 of each");
    before[0].values = noisy(1e-3, 6, 1);
    after[0].values = noisy(2e-3, 6, 2);
    EXPECT_EQ(first(observed(side("a", before), side("b", after))).verdict, MetricVerdict::worse);
}

// Our own runs declare what decides: the others do not make it harder to see.
TEST(Observation, TheGateFamilyIsCorrectedByItself) {
    std::vector<StoredMetric> before{{.name = "latency_p50", .values = noisy(1e-3, 5, 1)}};
    std::vector<StoredMetric> after{{.name = "latency_p50", .values = noisy(2e-3, 5, 2)}};
    for (std::uint64_t i = 0; i < 30; ++i) {
        const auto name = "other" + std::to_string(i);
        before.push_back({.name = name, .gated = false, .values = noisy(1e-3, 5, i)});
        after.push_back({.name = name, .gated = false, .values = noisy(1e-3, 5, 50 + i)});
    }
    EXPECT_EQ(first(observed(side("a", before), side("b", after))).verdict, MetricVerdict::worse);
}

TEST(Observation, ZerosAreJudgedByDifference) {
    const auto rate = [](std::vector<double> values) {
        return std::vector<StoredMetric>{
            {.name = "http_req_failed_rate", .unit = "1", .values = std::move(values)}};
    };
    const auto none = observed(side("a", rate({0, 0, 0, 0})), side("b", rate({0, 0, 0, 0})));
    EXPECT_EQ(first(none).verdict, MetricVerdict::equivalent);
    EXPECT_EQ(first(none).reason, "zero in every repetition of both");
    // Half a percentage point more, where a tenth of one does not matter.
    const auto some =
        observed(side("a", rate({0, 0, 0, 0})), side("b", rate({5e-3, 6e-3, 5e-3, 5e-3})));
    EXPECT_FALSE(first(some).ratio);
    EXPECT_NEAR(first(some).difference->value, 5e-3, 1e-12);
    EXPECT_EQ(first(some).verdict, MetricVerdict::worse);
    const auto times = observed(side("a", {-1.0, 2, 3, 4}), side("b", {0.0, 2, 3, 4}));
    EXPECT_FALSE(first(times).ratio);
    EXPECT_TRUE(first(times).difference);
    const auto negative = observed(side("a", {-1.0, -2, -3, -4}), side("b", {1.0, 2, 3, 4}));
    EXPECT_EQ(first(negative).reason, "the baseline is not above zero: there is no ratio to judge");
}

// One event that went missing once must not read as "equal".
TEST(Observation, ALossIsNeverEquivalent) {
    const auto lost = [](std::vector<double> values) {
        return std::vector<StoredMetric>{
            {.name = "lost", .unit = "events", .values = std::move(values)}};
    };
    std::vector<double> once(20, 0.0);
    once[7] = 1;
    const auto observation =
        observed(side("a", lost(std::vector<double>(20, 0.0))), side("b", lost(once)));
    EXPECT_EQ(first(observation).verdict, MetricVerdict::inconclusive);
    EXPECT_EQ(first(observation).reason, "not zero in every repetition");
}

// The repetitions without a value are the extreme ones.
TEST(Observation, MissingValuesAreNotJudged) {
    auto baseline = side("a", noisy(1e-3, 5, 1));
    auto candidate = side("b", noisy(1e-3, 5, 2));
    candidate.scenarios[0].metrics[0].missing = 2;
    auto observation = observed(baseline, candidate);
    EXPECT_FALSE(first(observation).ratio);
    EXPECT_EQ(first(observation).reason, "candidate: no value in 2 of 7 repetitions");
    candidate.scenarios[0].metrics[0].name = "cpu_time";
    observation = observed(baseline, candidate);
    ASSERT_EQ(observation.scenarios[0].metrics.size(), 2u);
    EXPECT_EQ(observation.scenarios[0].metrics[0].reason, "candidate: not in its files");
    EXPECT_EQ(observation.scenarios[0].metrics[1].reason, "baseline: not in its files");
}

// A benchmark that failed, a run whose trials were all late: said once, in front.
TEST(Observation, SaysWhereNothingCounts) {
    const auto observation =
        observed(side("a", noisy(1e-3, 5, 1)), side("b", std::vector<double>()));
    EXPECT_THAT(observation.reasons, Contains("BM_Send: no repetition of the candidate counts"));
    EXPECT_EQ(first(observation).reason, "candidate: no value");
}

// What two machines differ in is the machines: nothing is said of the systems.
TEST(Observation, AnotherMachineWithholdsEverything) {
    const auto baseline = side("a", noisy(1e-3, 10, 1));
    auto candidate = side("b", noisy(2e-3, 10, 2));
    candidate.files[0].machine = {{"host_name", "laptop"}};
    const auto observation = observed(baseline, candidate);
    EXPECT_FALSE(check(observation, "same_machine").passed);
    EXPECT_EQ(check(observation, "same_machine").detail, "host_name: bench against laptop (b)");
    const auto& metric = first(observation);
    EXPECT_EQ(metric.verdict, MetricVerdict::inconclusive);
    EXPECT_FALSE(metric.ratio || metric.difference || metric.p_rank_sum || metric.cliffs_delta);
    EXPECT_TRUE(metric.baseline && metric.candidate);
    EXPECT_EQ(metric.reason,
              "withheld: not measured on the same machine, host_name: bench against laptop (b)");
    EXPECT_EQ(observation.reasons.back(),
              "nothing is said of any metric: not measured on the same machine, host_name: bench "
              "against laptop (b)");
}

// k6 does not tell where it ran: that is a warning, and no reason to say nothing.
TEST(Observation, AnUnknownMachineIsToldAndNotWithheld) {
    auto baseline = side("a", noisy(1e-3, 10, 1));
    baseline.files[0].machine.clear();
    const auto observation = observed(baseline, side("b", noisy(2e-3, 10, 2)));
    EXPECT_FALSE(check(observation, "same_machine").passed);
    EXPECT_THAT(check(observation, "same_machine").detail, StartsWith("not known: a does not say"));
    EXPECT_EQ(first(observation).verdict, MetricVerdict::worse);
}

TEST(Observation, ChecksNameWhatIsWrongWithTheFiles) {
    auto baseline = side("a", noisy(1e-3, 10, 1));
    auto candidate = side("b", noisy(1e-3, 10, 2));
    EXPECT_TRUE(check(observed(baseline, candidate), "inputs_whole").passed);
    EXPECT_TRUE(check(observed(baseline, candidate), "same_context").passed);
    EXPECT_TRUE(check(observed(baseline, candidate), "same_scenario").passed);
    baseline.files[0].version = "1.0";
    candidate.files[0].version = "2.0";
    candidate.files[0].flaws.assign(7, "BM_Fails: no device");
    candidate.files[0].warnings = {"the library was built for debugging"};
    const auto observation = observed(baseline, candidate);
    EXPECT_EQ(check(observation, "same_version").detail,
              "1.0 against 2.0: what differs may be how it was measured");
    EXPECT_FALSE(check(observation, "same_version").passed);
    EXPECT_THAT(check(observation, "inputs_whole").detail, HasSubstr("; and 2 more"));
    EXPECT_EQ(check(observation, "same_context").detail, "b: the library was built for debugging");
    EXPECT_EQ(first(observation).verdict, MetricVerdict::equivalent);
}

TEST(Observation, DifferentLoadsAreRefused) {
    auto baseline = side("a", noisy(1e-3, 4, 1));
    auto candidate = baseline;
    candidate.path = "b";
    baseline.scenarios[0].load = R"({"clients":4,"phases":[{"rate":100.0}]})";
    candidate.scenarios[0].load = R"({"clients":8,"phases":[{"rate":100.0}]})";
    const auto refused = [&](const std::string& what) {
        const auto observation = observe(baseline, candidate, {});
        ASSERT_FALSE(observation);
        EXPECT_EQ(observation.error().message, what);
    };
    const std::string unlike = "a and b were not measured under the same load: BM_Send: ";
    refused(unlike + "load.clients: 4 against 8");
    candidate.scenarios[0].load = R"({"clients":4,"phases":[{"rate":200.0}]})";
    refused(unlike + "load.phases.0.rate: 100.0 against 200.0");
    candidate.scenarios[0].load.clear();
    refused(unlike + "only one says what its load was");
    candidate.scenarios[0].load = baseline.scenarios[0].load;
    candidate.scenarios.push_back({.name = "BM_More"});
    refused("a and b were not measured under the same load: BM_More: only in the second");
    candidate.kind = StoredKind::k6_summary;
    refused(
        "a is of the kind Google Benchmark, b of the kind k6 summary: only results of one kind "
        "can be compared");
}

}  // namespace
}  // namespace crucible::lab
