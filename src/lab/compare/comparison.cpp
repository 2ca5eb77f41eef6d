#include "lab/compare/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <tuple>

#include "base/assert.h"
#include "lab/compare/assessment.h"
#include "lab/compare/expectations.h"
#include "lab/compare/judge_metric.h"
#include "lab/compare/metric_series.h"
#include "lab/compare/overall.h"
#include "lab/compare/round_checks.h"

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

/// Whether the second copy of the baseline could be told from the first in a gated metric.
RoundCheck control_equal(const std::vector<WeighedMetric>& metrics, const RulingOptions& options) {
    std::vector<std::string_view> different;
    std::size_t judged = 0;
    for (const auto& metric : metrics) {
        if (!metric.result.info->gated || !metric.evidence) continue;
        ++judged;
        if (copies_differ(*metric.evidence, options)) different.push_back(metric.result.info->name);
    }
    return {.check = {.name = "control_equal",
                      .passed = different.empty(),
                      .detail = fmt::format("the two copies of the baseline differ in {} of {} "
                                            "gated metrics{}{}",
                                            different.size(), judged, different.empty() ? "" : ": ",
                                            fmt::join(different, ", "))},
            .consequence = Consequence::voids};
}

constexpr double kRoundsSayable = 100'000;

/// Whether the machine tells apart what the margin asks it to: a metric in which the two copies of
/// the baseline came out further apart than the margin, and half as far as the candidate, is not
/// judged.
RoundCheck margin_resolvable(const std::vector<WeighedMetric>& metrics, double margin) {
    RoundCheck result{.check = {.name = "margin_resolvable", .passed = true, .detail = {}},
                      .consequence = Consequence::withholds};
    std::vector<std::string> facts;
    for (const auto& metric : metrics) {
        const auto& [info, control, ratio] =
            std::tie(metric.result.info, metric.result.control, metric.result.ratio);
        if (!info->gated || !control || !ratio) continue;
        const double floor = std::abs(std::log(control->value));
        if (floor <= std::log1p(margin) || std::abs(std::log(ratio->value)) >= 2 * floor) continue;
        facts.push_back(fmt::format("{} {:.1f} %", info->name, std::expm1(floor) * 100));
        result.withheld.push_back(info);
        // What chance puts between two copies shrinks with the square root of the rounds.
        const double shrink = floor / std::log1p(margin);
        result.rounds_needed =
            std::max(result.rounds_needed.value_or(0),
                     static_cast<std::uint32_t>(std::min(
                         kRoundsSayable, std::ceil(metric.result.rounds * shrink * shrink))));
    }
    result.check.passed = facts.empty();
    result.check.detail =
        facts.empty() ? "no metric is judged by less than the two copies of the baseline differ"
                      : fmt::format(
                            "two copies of the baseline came out further apart than the "
                            "margin of {:g} %: {}; more rounds or a larger --margin",
                            margin * 100, fmt::join(facts, ", "));
    return result;
}

Check rounds_valid(const ScenarioComparison& scenario) {
    return {.name = "rounds_valid",
            .passed = scenario.rounds_invalid == 0,
            .detail = fmt::format("{} of {} rounds", scenario.rounds,
                                  scenario.rounds + scenario.rounds_invalid)};
}

Check rounds_enough(const ScenarioComparison& scenario) {
    return {.name = "rounds_enough",
            .passed = scenario.rounds >= kRoundsMin,
            .detail = fmt::format("{} rounds; an interval needs at least {}", scenario.rounds,
                                  kRoundsMin)};
}

/// What a failed check leaves of the metrics' verdicts.
void withhold(const RoundCheck& failed, std::vector<MetricComparison>& metrics) {
    for (auto& metric : metrics) {
        if (std::ranges::find(failed.withheld, metric.info) == failed.withheld.end()) continue;
        metric.withheld = true;
        metric.verdict = MetricVerdict::inconclusive;
        metric.reason = fmt::format("withheld by {}: {}", failed.check.name, failed.check.detail);
        metric.rounds_needed = failed.rounds_needed;
    }
}

std::vector<WeighedMetric> weigh_scenario(const ScenarioRounds& scenario,
                                          const CompareOptions& options) {
    std::vector<WeighedMetric> metrics;
    for (const auto& info : known_metrics()) {
        metrics.push_back(weigh_metric(scenario.rounds, info, options));
    }
    return metrics;
}

/// All metrics of an experiment, with p-values corrected for their families.
struct Weighed {
    std::vector<std::vector<WeighedMetric>> scenarios;
    std::size_t gated = 0;  ///< the gate family: over all scenarios
    std::size_t others = 0;

    std::size_t family(const WeighedMetric& metric) const {
        return metric.result.info->gated ? gated : others;
    }
};

Weighed weigh_all(const Experiment& experiment, const CompareOptions& options) {
    CRUCIBLE_ASSERT(options.margin > 0);
    CRUCIBLE_ASSERT(options.confidence > 0.5 && options.confidence < 1);
    Weighed weighed;
    for (const auto& scenario : experiment.scenarios) {
        weighed.scenarios.push_back(weigh_scenario(scenario, options));
    }
    std::vector<WeighedMetric*> gated;
    std::vector<WeighedMetric*> others;
    for (auto& metrics : weighed.scenarios) {
        for (auto& metric : metrics) {
            (metric.result.info->gated ? gated : others).push_back(&metric);
        }
    }
    correct_family(gated, stats::Adjustment::holm);
    correct_family(others, stats::Adjustment::benjamini_hochberg);
    weighed.gated = gated.size();
    weighed.others = others.size();
    return weighed;
}

/// Every check over the rounds of a scenario, in the order in which reports show them.
std::vector<RoundCheck> round_checks(const ScenarioRounds& scenario,
                                     const std::vector<WeighedMetric>& metrics,
                                     const RulingOptions& gate, const CompareOptions& options) {
    std::vector<RoundCheck> checks{control_equal(metrics, gate)};
    const auto add = [&checks](std::vector<RoundCheck> more) {
        std::ranges::move(more, std::back_inserter(checks));
    };
    add(check_design(scenario));
    add(check_neighbours(scenario));
    add(check_course(scenario, std::log1p(options.margin)));
    checks.push_back(margin_resolvable(metrics, options.margin));
    return checks;
}

ScenarioComparison scenario_comparison(const ScenarioRounds& scenario,
                                       std::vector<WeighedMetric>& metrics,
                                       const std::vector<RoundCheck>& checks) {
    ScenarioComparison result;
    result.name = scenario.scenario.name;
    result.rounds =
        static_cast<std::uint32_t>(std::ranges::count_if(scenario.rounds, &Round::valid));
    result.rounds_invalid = static_cast<std::uint32_t>(scenario.rounds.size()) - result.rounds;
    result.checks = trial_checks(scenario.rounds);
    result.checks.push_back(rounds_valid(result));
    result.checks.push_back(rounds_enough(result));
    for (auto& metric : metrics) result.metrics.push_back(std::move(metric.result));
    for (const auto& check : checks) {
        result.checks.push_back(check.check);
        if (!check.check.passed && check.consequence == Consequence::withholds)
            withhold(check, result.metrics);
    }
    for (const auto& expectation : scenario.scenario.expectations) {
        const auto found =
            std::ranges::find(result.metrics, expectation.metric, &MetricComparison::info);
        CRUCIBLE_ASSERT(found != result.metrics.end());
        result.expectations.push_back(judge_expectation(expectation, *found));
    }
    return result;
}

/// Failed checks by what they do: void reasons and cautions.
void take_failures(const ScenarioComparison& scenario, const std::vector<RoundCheck>& checks,
                   Comparison& comparison) {
    for (const auto& check : scenario.checks) {
        if (check.passed) continue;
        const auto over_rounds = std::ranges::find(
            checks, check.name, [](const RoundCheck& of) { return of.check.name; });
        if (over_rounds != checks.end() && over_rounds->consequence == Consequence::voids) {
            comparison.voided = true;
            comparison.reasons.push_back(
                fmt::format("void, {}: {}: {}", scenario.name, check.name, check.detail));
        } else {
            comparison.cautions.push_back(
                fmt::format("{}: {}: {}", scenario.name, check.name, check.detail));
        }
    }
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
    auto weighed = weigh_all(experiment, options);
    const RulingOptions gate{.alpha = 1 - options.confidence,
                             .family = std::max<std::size_t>(1, weighed.gated)};
    Comparison comparison;
    for (std::size_t i = 0; i < weighed.scenarios.size(); ++i) {
        auto& metrics = weighed.scenarios[i];
        for (auto& metric : metrics) {
            decide(metric, weighed.family(metric), options);
            add_intervals(metric, options);
        }
        const auto checks = round_checks(experiment.scenarios[i], metrics, gate, options);
        comparison.scenarios.push_back(
            scenario_comparison(experiment.scenarios[i], metrics, checks));
        take_failures(comparison.scenarios.back(), checks, comparison);
    }
    decide_overall(experiment, comparison);
    comparison.assessment = assess(experiment, comparison, options);
    return comparison;
}

std::vector<std::vector<MetricLook>> look(const Experiment& experiment,
                                          const CompareOptions& options) {
    const auto weighed = weigh_all(experiment, options);
    std::vector<std::vector<MetricLook>> looks;
    for (const auto& metrics : weighed.scenarios) {
        auto& scenario = looks.emplace_back();
        for (const auto& metric : metrics) {
            const RulingOptions family{.alpha = 1 - options.confidence,
                                       .family = weighed.family(metric)};
            scenario.push_back({.info = metric.result.info,
                                .p_outside = metric.p_values.outside,
                                .p_different = metric.p_values.different,
                                .undecided = metric.evidence &&
                                             undecided(*metric.evidence, metric.p_values, family)});
        }
    }
    return looks;
}

std::vector<bool> needs_more_rounds(const Experiment& experiment, const CompareOptions& options) {
    const auto looks = look(experiment, options);
    std::vector<bool> wanted;
    for (std::size_t i = 0; i < looks.size(); ++i) {
        const bool any_valid = std::ranges::any_of(experiment.scenarios[i].rounds, &Round::valid);
        wanted.push_back(!any_valid || std::ranges::any_of(looks[i], [](const MetricLook& metric) {
            return metric.info->gated && metric.undecided;
        }));
    }
    if (std::ranges::find(wanted, true) != wanted.end()) return wanted;
    // Only now are the intervals worth their time.
    const auto comparison = compare(experiment, options);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        wanted[i] = std::ranges::any_of(comparison.scenarios[i].metrics, [](const auto& metric) {
            return metric.info->gated && metric.verdict == MetricVerdict::inconclusive &&
                   metric.rounds_needed;
        });
    }
    return wanted;
}

}  // namespace crucible::lab
