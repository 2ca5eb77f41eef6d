#include "lab/compare/assessment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/units.h"
#include "lab/compare/criteria.h"
#include "lab/compare/trial_length.h"

namespace crucible::lab {
namespace {

/// A recommendation to measure longer is one only if somebody would.
constexpr std::uint32_t kRoundsWorthwhile = 1000;

/// What may be done about a metric that is worse.
std::string_view mitigation_of(std::string_view metric) {
    if (metric == "throughput") return "profile the candidate's closed loop; scale it out first";
    if (metric.starts_with("latency_")) return "profile the candidate at this rate; keep headroom";
    if (metric == "cpu_per_event") return "provide the additional processor time beforehand";
    if (metric == "memory_peak") return "provide the additional memory and set limits by it";
    return "find out why events fail before moving anything";
}

RiskLevel impact_of(const MetricComparison& metric) {
    if (!metric.ratio) return RiskLevel::high;
    const double change = std::abs(std::log(metric.ratio->value));
    if (change >= std::log(1.5)) return RiskLevel::high;
    return change >= std::log(1.2) ? RiskLevel::medium : RiskLevel::low;
}

/// The baseline's value with the margin: what users have now, and would notice the loss of.
std::string rollback_of(const MetricComparison& metric, double margin) {
    if (!metric.baseline) return "the metric leaves what the baseline shows today";
    const bool higher = metric.info->better == Better::higher;
    const double bound = metric.baseline->value * (higher ? 1 / (1 + margin) : 1 + margin);
    return fmt::format("{} {} {:.4g} {} under this load", metric.info->name,
                       higher ? "below" : "above", bound, metric.info->unit);
}

bool estimated_worse(const MetricComparison& metric, double margin) {
    if (!metric.ratio) {
        // Errors and losses, where less is better and half an event or one in a thousand matters.
        if (!metric.difference) return false;
        return metric.difference->value > (metric.info->name == "error_rate" ? 0.001 : 0.5);
    }
    const double change =
        std::log(metric.ratio->value) * (metric.info->better == Better::higher ? -1 : 1);
    return change > std::log1p(margin);
}

std::vector<Risk> risks_of(const Comparison& comparison, double margin) {
    std::vector<Risk> risks;
    for (const auto& scenario : comparison.scenarios) {
        for (const auto& metric : scenario.metrics) {
            if (!metric.info->gated && metric.info->name != "lost") continue;
            const bool proven = metric.verdict == MetricVerdict::worse;
            const bool possible =
                metric.verdict == MetricVerdict::inconclusive && estimated_worse(metric, margin);
            if (!proven && !possible) continue;
            risks.push_back({.scenario = scenario.name,
                             .metric = metric.info,
                             .likelihood = proven             ? RiskLevel::high
                                           : metric.different ? RiskLevel::medium
                                                              : RiskLevel::low,
                             .impact = impact_of(metric),
                             .evidence = fmt::format("{}: {}", change_of(metric), metric.reason),
                             .mitigation = std::string(mitigation_of(metric.info->name)),
                             .rollback = rollback_of(metric, margin)});
        }
    }
    std::ranges::stable_sort(risks, std::greater{}, [](const Risk& risk) {
        return static_cast<int>(risk.likelihood) * static_cast<int>(risk.impact);
    });
    return risks;
}

/// Where something is open and trials of another length would tell more in the same time.
std::optional<Recommendation> length_recommendation(const ScenarioRounds& rounds,
                                                    const ScenarioComparison& scenario) {
    const bool open = std::ranges::any_of(scenario.metrics, [](const auto& metric) {
        return metric.info->name == "throughput" && metric.verdict == MetricVerdict::inconclusive;
    });
    if (!open) return std::nullopt;
    const auto length = best_trial_length(rounds);
    if (!length || (length->best < 2 * length->now && length->now < 2 * length->best))
        return std::nullopt;
    const auto time = [](Duration duration) {
        return base::format_duration(std::chrono::duration<double>(duration).count());
    };
    return Recommendation{
        .text =
            fmt::format("Measure the closed loop of {} for {} a trial instead of {}: throughput "
                        "varies by {:.1f} % within a trial and by {:.1f} % from trial to trial.",
                        scenario.name, time(length->best), time(length->now), length->within * 100,
                        length->from_trials * 100),
        .scenario = scenario.name,
        .metric = find_metric("throughput")};
}

std::vector<Recommendation> recommendations_of(const Comparison& comparison) {
    std::vector<Recommendation> all;
    for (const auto& scenario : comparison.scenarios) {
        for (const auto& metric : scenario.metrics) {
            if (!metric.info->gated) continue;
            const auto add = [&](std::string text) {
                all.push_back(
                    {.text = std::move(text), .scenario = scenario.name, .metric = metric.info});
            };
            if (metric.verdict == MetricVerdict::worse) {
                add(fmt::format("Before moving, bring the candidate's {} under {} back from {}.",
                                metric.info->name, scenario.name, change_of(metric)));
            } else if (metric.verdict == MetricVerdict::inconclusive && metric.rounds_needed &&
                       *metric.rounds_needed <= kRoundsWorthwhile) {
                add(fmt::format("Give {} about {} rounds to decide {} ({} so far).", scenario.name,
                                *metric.rounds_needed, metric.info->name, change_of(metric)));
            } else if (metric.verdict == MetricVerdict::inconclusive && metric.rounds_needed) {
                add(fmt::format(
                    "Measure {} under {} on a quieter machine: {} rounds would be "
                    "needed on this one.",
                    metric.info->name, scenario.name, format_integer(*metric.rounds_needed)));
            }
        }
    }
    return all;
}

}  // namespace

std::string_view to_string(CriterionOutcome outcome) noexcept {
    switch (outcome) {
        case CriterionOutcome::met:
            return "met";
        case CriterionOutcome::not_measured:
            return "not_measured";
        case CriterionOutcome::not_proven:
            return "not_proven";
        case CriterionOutcome::not_met:
            return "not_met";
    }
    return "unknown";
}

std::string_view to_string(RiskLevel level) noexcept {
    switch (level) {
        case RiskLevel::low:
            return "low";
        case RiskLevel::medium:
            return "medium";
        case RiskLevel::high:
            return "high";
    }
    return "unknown";
}

Assessment assess(const Experiment& experiment, const Comparison& comparison,
                  const CompareOptions& options) {
    Assessment assessment;
    assessment.criteria = judge_criteria(experiment, comparison, options);
    // Of a void comparison, or a partial one, nothing follows.
    if (comparison.voided || experiment.failure || experiment.interrupted) return assessment;
    assessment.recommendations = recommendations_of(comparison);
    for (std::size_t i = 0; i < comparison.scenarios.size(); ++i) {
        auto length = length_recommendation(experiment.scenarios[i], comparison.scenarios[i]);
        if (length) assessment.recommendations.push_back(*std::move(length));
    }
    assessment.risks = risks_of(comparison, options.margin);
    return assessment;
}

}  // namespace crucible::lab
