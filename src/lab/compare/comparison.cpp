#include "lab/compare/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/assert.h"
#include "lab/compare/judge_metric.h"
#include "lab/compare/metric_series.h"
#include "lab/compare/overall.h"

namespace crucible::lab {
namespace {

struct CheckTally {
    std::string name;
    std::uint32_t trials = 0;
    std::uint32_t passed = 0;
    std::string detail;  ///< of the first failure, else of the first trial
};

void tally(std::vector<CheckTally>& tallies, const Check& check, Arm arm, std::uint32_t round) {
    auto found = std::ranges::find(tallies, check.name, &CheckTally::name);
    if (found == tallies.end()) found = tallies.insert(found, {.name = check.name});
    const bool first_failure = !check.passed && found->passed == found->trials;
    if (first_failure) {
        found->detail = fmt::format("round {}, {}: {}", round, to_string(arm), check.detail);
    } else if (found->trials == 0) {
        found->detail = check.detail;
    }
    ++found->trials;
    found->passed += check.passed ? 1 : 0;
}

/// Every check of the trials once, with how many trials passed it.
std::vector<Check> trial_checks(const std::vector<Round>& rounds) {
    std::vector<CheckTally> tallies;
    for (const auto& round : rounds) {
        for (const Arm arm : round.order) {
            for (const auto& check : round[arm].checks) {
                tally(tallies, check, arm, round.index + 1);
            }
        }
    }
    std::vector<Check> checks;
    for (const auto& entry : tallies) {
        checks.push_back({.name = entry.name,
                          .passed = entry.passed == entry.trials,
                          .detail = fmt::format("{} of {} trials; {}", entry.passed, entry.trials,
                                                entry.detail)});
    }
    return checks;
}

/// Whether the second copy of the baseline could be told from the first anywhere.
Check control_check(const std::vector<MetricComparison>& metrics, double margin) {
    std::vector<std::string_view> different;
    std::size_t judged = 0;
    for (const auto& metric : metrics) {
        if (!metric.control) continue;
        ++judged;
        if (metric.control->ci_low > 1 + margin || metric.control->ci_high < 1 / (1 + margin)) {
            different.push_back(metric.info->name);
        }
    }
    // Each interval misses the truth once in twenty times, so of 20 metrics one may; two and more
    // in a tenth of them or more is a machine that was not steady.
    const bool passed = different.size() <= std::max<std::size_t>(1, judged / 10);
    return {.name = "control_equal",
            .passed = passed,
            .detail = different.empty()
                          ? fmt::format("the two copies of the baseline differ in 0 of {} metrics",
                                        judged)
                          : fmt::format("the two copies of the baseline differ in {} of {} "
                                        "metrics: {}",
                                        different.size(), judged, fmt::join(different, ", "))};
}

ScenarioComparison compare_scenario(const ScenarioRounds& scenario, const CompareOptions& options) {
    ScenarioComparison result;
    result.name = scenario.scenario.name;
    result.rounds =
        static_cast<std::uint32_t>(std::ranges::count_if(scenario.rounds, &Round::valid));
    result.rounds_invalid = static_cast<std::uint32_t>(scenario.rounds.size()) - result.rounds;
    const auto metrics = known_metrics();
    for (const auto& info : metrics) {
        result.metrics.push_back(judge_metric(scenario.rounds, info, options, metrics.size()));
    }
    result.checks = trial_checks(scenario.rounds);
    result.checks.push_back(
        {.name = "rounds_valid",
         .passed = result.rounds_invalid == 0,
         .detail = fmt::format("{} of {} rounds", result.rounds, scenario.rounds.size())});
    result.checks.push_back(control_check(result.metrics, options.margin));
    return result;
}

}  // namespace

std::string_view to_string(MetricVerdict verdict) noexcept {
    switch (verdict) {
        case MetricVerdict::better:
            return "better";
        case MetricVerdict::worse:
            return "worse";
        case MetricVerdict::equivalent:
            return "equivalent";
        case MetricVerdict::changed_within_margin:
            return "changed_within_margin";
        case MetricVerdict::inconclusive:
            return "inconclusive";
    }
    return "unknown";
}

std::string_view to_string(OverallVerdict verdict) noexcept {
    switch (verdict) {
        case OverallVerdict::adopt:
            return "adopt";
        case OverallVerdict::keep:
            return "keep";
        case OverallVerdict::no_difference:
            return "no_difference";
        case OverallVerdict::not_proven:
            return "not_proven";
    }
    return "unknown";
}

Comparison compare(const Experiment& experiment, const CompareOptions& options) {
    CRUCIBLE_ASSERT(options.margin > 0);
    CRUCIBLE_ASSERT(options.confidence > 0.5 && options.confidence < 1);
    Comparison comparison;
    for (const auto& scenario : experiment.scenarios) {
        comparison.scenarios.push_back(compare_scenario(scenario, options));
    }
    decide_overall(experiment, comparison);
    return comparison;
}

}  // namespace crucible::lab
