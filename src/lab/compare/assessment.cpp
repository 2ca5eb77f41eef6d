#include "lab/compare/assessment.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "lab/compare/metric_series.h"
#include "lab/stats/trend.h"

namespace crucible::lab {
namespace {

/// Fewer rounds have no trend that a test could see.
constexpr std::size_t kTrendRoundsMin = 10;
constexpr double kTrendLevel = 0.01;
/// A recommendation to measure longer is one only if somebody would.
constexpr std::uint32_t kRoundsWorthwhile = 1000;

/// The outcome of several that must all hold: the worst.
CriterionOutcome worst(CriterionOutcome a, CriterionOutcome b) {
    return std::max(a, b);
}

std::string change_text(const MetricComparison& metric) {
    if (metric.ratio) return fmt::format("{:+.1f} %", (metric.ratio->value - 1) * 100);
    if (metric.difference)
        return fmt::format("{:+.3g} {}", metric.difference->value, metric.info->unit);
    return std::string(to_string(metric.verdict));
}

std::string named(const ScenarioComparison& scenario, const MetricComparison& metric) {
    return fmt::format("{}: {}", scenario.name, metric.info->name);
}

Criterion baseline_handles_load(const Experiment& experiment) {
    std::uint64_t sent = 0;
    std::uint64_t failed = 0;
    std::uint32_t saturated = 0;
    std::uint32_t trials = 0;
    for (const auto& scenario : experiment.scenarios) {
        for (const auto& round : scenario.rounds) {
            if (!round.valid()) continue;
            for (const Arm arm : {Arm::baseline, Arm::control}) {
                const auto delivery = total_delivery(round[arm]);
                sent += delivery.sent;
                failed += delivery.rejected + delivery.lost;
                ++trials;
                const auto* phase = latency_phase(round[arm].phases);
                saturated += phase != nullptr && phase->saturated ? 1 : 0;
            }
        }
    }
    Criterion criterion{.name = "baseline_handles_load"};
    if (trials == 0) {
        criterion.evidence = "no valid round";
        return criterion;
    }
    criterion.outcome =
        failed == 0 && saturated == 0 ? CriterionOutcome::met : CriterionOutcome::not_met;
    criterion.evidence =
        fmt::format("{} of {} events refused or lost, saturated in {} of {} trials",
                    format_integer(failed), format_integer(sent), saturated, trials);
    return criterion;
}

/// No gated metric of the baseline rises or falls from round to round.
Criterion baseline_is_stable(const Experiment& experiment) {
    std::vector<std::string> trends;
    std::size_t series_seen = 0;
    struct Tested {
        std::string name;
        double p_value;
    };
    std::vector<Tested> tested;
    for (const auto& scenario : experiment.scenarios) {
        for (const auto& info : known_metrics()) {
            if (!info.gated) continue;
            const auto series = metric_series(scenario.rounds, info);
            if (series.baseline.size() < kTrendRoundsMin || series.baseline_saturated > 0) continue;
            ++series_seen;
            tested.push_back({fmt::format("{}: {}", scenario.scenario.name, info.name),
                              stats::mann_kendall(series.baseline).p_value});
        }
    }
    for (const auto& [name, p_value] : tested) {
        if (p_value <= kTrendLevel / static_cast<double>(tested.size())) trends.push_back(name);
    }
    Criterion criterion{.name = "baseline_is_stable"};
    if (series_seen == 0) {
        criterion.evidence = fmt::format("a trend needs at least {} rounds", kTrendRoundsMin);
        return criterion;
    }
    criterion.outcome = trends.empty() ? CriterionOutcome::met : CriterionOutcome::not_met;
    criterion.evidence =
        trends.empty()
            ? fmt::format("no trend from round to round in {} deciding metrics (Mann-Kendall)",
                          series_seen)
            : fmt::format("a trend from round to round in {}", fmt::join(trends, ", "));
    return criterion;
}

CriterionOutcome no_worse(MetricVerdict verdict) {
    if (verdict == MetricVerdict::worse) return CriterionOutcome::not_met;
    return verdict == MetricVerdict::inconclusive ? CriterionOutcome::not_proven
                                                  : CriterionOutcome::met;
}

/// `names`: of the metrics that must hold, in every scenario.
template <typename Holds>
Criterion of_metrics(std::string name, const Comparison& comparison,
                     std::initializer_list<std::string_view> names, Holds holds) {
    Criterion criterion{.name = std::move(name)};
    std::vector<std::string> facts;
    bool any = false;
    for (const auto& scenario : comparison.scenarios) {
        for (const auto& metric : scenario.metrics) {
            if (std::ranges::find(names, metric.info->name) == names.end()) continue;
            const auto outcome = holds(metric.verdict);
            criterion.outcome = any ? worst(criterion.outcome, outcome) : outcome;
            any = true;
            if (outcome != CriterionOutcome::met) {
                facts.push_back(fmt::format("{} {} ({})", named(scenario, metric),
                                            to_string(metric.verdict), change_text(metric)));
            }
        }
    }
    if (!any) {
        criterion.outcome = CriterionOutcome::not_measured;
        criterion.evidence = "no scenario was compared";
    } else {
        criterion.evidence = facts.empty() ? std::string("holds in every scenario")
                                           : fmt::format("{}", fmt::join(facts, "; "));
    }
    return criterion;
}

Criterion not_measured(std::string name, std::string why) {
    return {.name = std::move(name),
            .outcome = CriterionOutcome::not_measured,
            .evidence = std::move(why)};
}

std::vector<Criterion> criteria_of(const Experiment& experiment, const Comparison& comparison) {
    const auto better = [](MetricVerdict verdict) {
        if (verdict == MetricVerdict::better) return CriterionOutcome::met;
        return verdict == MetricVerdict::inconclusive ? CriterionOutcome::not_proven
                                                      : CriterionOutcome::not_met;
    };
    return {
        baseline_handles_load(experiment),
        baseline_is_stable(experiment),
        not_measured("baseline_scales_predictably", "a comparison drives each load at one size"),
        of_metrics("candidate_equal_or_better", comparison,
                   {"throughput", "latency_p50", "latency_p95", "latency_p99", "cpu_per_event",
                    "error_rate"},
                   no_worse),
        of_metrics("candidate_more_memory_efficient", comparison, {"memory_peak"}, better),
        not_measured("candidate_scales_better", "a comparison drives each load at one size"),
        not_measured("candidate_more_resilient", "nothing was made to fail")};
}

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
    if (!metric.ratio) return false;
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
                             .evidence = fmt::format("{}: {}", change_text(metric), metric.reason),
                             .mitigation = std::string(mitigation_of(metric.info->name)),
                             .rollback = rollback_of(metric, margin)});
        }
    }
    std::ranges::stable_sort(risks, std::greater{}, [](const Risk& risk) {
        return static_cast<int>(risk.likelihood) * static_cast<int>(risk.impact);
    });
    return risks;
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
                                metric.info->name, scenario.name, change_text(metric)));
            } else if (metric.verdict == MetricVerdict::inconclusive && metric.rounds_needed &&
                       *metric.rounds_needed <= kRoundsWorthwhile) {
                add(fmt::format("Give {} about {} rounds to decide {} ({} so far).", scenario.name,
                                *metric.rounds_needed, metric.info->name, change_text(metric)));
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
    assessment.criteria = criteria_of(experiment, comparison);
    // Of a void comparison, or a partial one, nothing follows.
    if (comparison.voided || experiment.failure || experiment.interrupted) return assessment;
    assessment.recommendations = recommendations_of(comparison);
    assessment.risks = risks_of(comparison, options.margin);
    return assessment;
}

}  // namespace crucible::lab
