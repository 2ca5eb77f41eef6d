#include "lab/compare/criteria.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "lab/compare/metric_series.h"
#include "lab/compare/round_checks.h"
#include "lab/stats/rank_sum.h"
#include "lab/stats/robust.h"

namespace crucible::lab {
namespace {

/// The outcome of several that must all hold: the worst.
CriterionOutcome worst(CriterionOutcome a, CriterionOutcome b) {
    return std::max(a, b);
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
Criterion baseline_is_stable(const Experiment& experiment, double margin) {
    Criterion criterion{.name = "baseline_is_stable"};
    std::size_t tested = 0;
    std::vector<std::string> found;
    for (const auto& scenario : experiment.scenarios) {
        const auto trends = baseline_trends(scenario, margin);
        tested += trends.tested;
        for (const auto* info : trends.found)
            found.push_back(fmt::format("{}: {}", scenario.scenario.name, info->name));
    }
    if (tested == 0) {
        criterion.evidence = fmt::format("a trend needs at least {} rounds", kTrendRoundsMin);
        return criterion;
    }
    criterion.outcome = found.empty() ? CriterionOutcome::met : CriterionOutcome::not_met;
    criterion.evidence =
        found.empty() ? fmt::format(
                            "no trend from round to round in {} deciding metrics "
                            "(Mann-Kendall)",
                            tested)
                      : fmt::format("a trend from round to round in {}", fmt::join(found, ", "));
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
                                            to_string(metric.verdict), change_of(metric)));
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

/// Scenarios by the size of their payloads, the smallest first, each size once.
std::vector<const ScenarioRounds*> by_payload(const Experiment& experiment) {
    std::vector<const ScenarioRounds*> scenarios;
    for (const auto& scenario : experiment.scenarios) scenarios.push_back(&scenario);
    const auto size = [](const ScenarioRounds* scenario) {
        return scenario->scenario.plan.workload.payload.mean();
    };
    std::ranges::stable_sort(scenarios, {}, size);
    const auto repeated = std::ranges::unique(scenarios, {}, size);
    scenarios.erase(repeated.begin(), repeated.end());
    return scenarios;
}

/// A straight line y = base + slope x, of least relative squares: each y is as exact as the others
/// in percent.
struct Line {
    double base = 0;
    double slope = 0;
    double furthest = 0;  ///< largest relative distance of a point
};

Line fit_line(const std::vector<double>& x, const std::vector<double>& y) {
    double w = 0, wx = 0, wy = 0, wxx = 0, wxy = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double weight = 1 / (y[i] * y[i]);
        w += weight;
        wx += weight * x[i];
        wy += weight * y[i];
        wxx += weight * x[i] * x[i];
        wxy += weight * x[i] * y[i];
    }
    Line line;
    line.slope = (w * wxy - wx * wy) / (w * wxx - wx * wx);
    line.base = (wy - line.slope * wx) / w;
    for (std::size_t i = 0; i < x.size(); ++i)
        line.furthest =
            std::max(line.furthest, std::abs(line.base + line.slope * x[i] - y[i]) / y[i]);
    return line;
}

/// An event costs a fixed time and a time for each byte: then its cost at any size is known from
/// that at two others.
Criterion baseline_scales_predictably(const Experiment& experiment) {
    constexpr std::size_t kSizesMin = 3;
    constexpr double kFurthest = 0.2;
    Criterion criterion{.name = "baseline_scales_predictably"};
    const auto* throughput = find_metric("throughput");
    std::vector<double> kib;
    std::vector<double> microseconds;
    for (const auto* scenario : by_payload(experiment)) {
        const auto series = metric_series(scenario->rounds, *throughput);
        if (series.baseline.empty() || series.any_not_positive()) continue;
        kib.push_back(scenario->scenario.plan.workload.payload.mean() / 1024);
        microseconds.push_back(1e6 / stats::median(series.baseline));
    }
    if (kib.size() < kSizesMin) {
        criterion.evidence =
            fmt::format("{} sizes of payload; a line through them needs {}", kib.size(), kSizesMin);
        return criterion;
    }
    const auto line = fit_line(kib, microseconds);
    criterion.outcome =
        line.furthest <= kFurthest ? CriterionOutcome::met : CriterionOutcome::not_met;
    criterion.evidence = fmt::format(
        "time per event at most throughput: {:.3g} us and {:.3g} us for each KiB of payload; the "
        "furthest of {} sizes lies {:.0f} % off ({:.0f} % allowed)",
        line.base, line.slope, kib.size(), line.furthest * 100, kFurthest * 100);
    return criterion;
}

std::vector<double> log_ratios(const ScenarioRounds& scenario, const MetricInfo& info) {
    const auto series = metric_series(scenario.rounds, info);
    std::vector<double> ratios;
    if (series.missing > 0 || series.any_not_positive() || series.any_saturated()) return ratios;
    for (std::size_t r = 0; r < series.baseline.size(); ++r)
        ratios.push_back(std::log(series.candidate[r] / series.baseline[r]));
    return ratios;
}

/// The candidate's standing against the baseline is better with the largest payloads than with the
/// smallest.
Criterion candidate_scales_better(const Experiment& experiment, double level) {
    Criterion criterion{.name = "candidate_scales_better"};
    const auto scenarios = by_payload(experiment);
    if (scenarios.size() < 2) {
        criterion.evidence = "a comparison under one scenario has one size; add larger --scenario";
        return criterion;
    }
    const auto& info = *find_metric("throughput");
    const auto small = log_ratios(*scenarios.front(), info);
    const auto large = log_ratios(*scenarios.back(), info);
    const auto shift = small.empty() || large.empty()
                           ? std::nullopt
                           : stats::hodges_lehmann_shift(large, small, level);
    if (!shift) {
        criterion.outcome = CriterionOutcome::not_proven;
        criterion.evidence = "too few rounds with a throughput of both";
        return criterion;
    }
    criterion.outcome = shift->interval.low > 0    ? CriterionOutcome::met
                        : shift->interval.high < 0 ? CriterionOutcome::not_met
                                                   : CriterionOutcome::not_proven;
    criterion.evidence = fmt::format(
        "throughput against the baseline's: {:+.1f} % under {}, {:+.1f} % under {}: a change of "
        "{:+.1f} % [{:+.1f}, {:+.1f}]",
        std::expm1(stats::median(small)) * 100, scenarios.front()->scenario.name,
        std::expm1(stats::median(large)) * 100, scenarios.back()->scenario.name,
        std::expm1(shift->estimate) * 100, std::expm1(shift->interval.low) * 100,
        std::expm1(shift->interval.high) * 100);
    return criterion;
}

bool rate_moves(const Scenario& scenario) {
    return std::ranges::any_of(scenario.plan.phases, [](const Phase& phase) {
        return phase.open_loop() && !phase.pattern->is_steady();
    });
}

/// Under a load that surges: no metric of waiting or losing is worse, and some is better.
Criterion candidate_more_resilient(const Experiment& experiment, const Comparison& comparison) {
    constexpr std::string_view kNames[] = {"latency_p99", "longest_stall", "error_rate", "lost"};
    Criterion criterion{.name = "candidate_more_resilient"};
    std::vector<std::string> facts;
    bool better = false;
    bool worse = false;
    for (std::size_t i = 0; i < experiment.scenarios.size(); ++i) {
        if (!rate_moves(experiment.scenarios[i].scenario)) continue;
        for (const auto& metric : comparison.scenarios[i].metrics) {
            if (std::ranges::find(kNames, metric.info->name) == std::end(kNames)) continue;
            better |= metric.verdict == MetricVerdict::better;
            worse |= metric.verdict == MetricVerdict::worse;
            facts.push_back(fmt::format("{} {} ({})", named(comparison.scenarios[i], metric),
                                        to_string(metric.verdict), change_of(metric)));
        }
    }
    if (facts.empty()) {
        criterion.evidence = "no scenario with a rate that surges; add --scenario spike";
        return criterion;
    }
    criterion.outcome = worse    ? CriterionOutcome::not_met
                        : better ? CriterionOutcome::met
                                 : CriterionOutcome::not_proven;
    criterion.evidence = fmt::format("{}", fmt::join(facts, "; "));
    return criterion;
}

}  // namespace

std::string change_of(const MetricComparison& metric) {
    if (metric.ratio) return fmt::format("{:+.1f} %", (metric.ratio->value - 1) * 100);
    if (metric.difference)
        return fmt::format("{:+.3g} {}", metric.difference->value, metric.info->unit);
    return std::string(to_string(metric.verdict));
}

std::vector<Criterion> judge_criteria(const Experiment& experiment, const Comparison& comparison,
                                      const CompareOptions& options) {
    const auto better = [](MetricVerdict verdict) {
        if (verdict == MetricVerdict::better) return CriterionOutcome::met;
        return verdict == MetricVerdict::inconclusive ? CriterionOutcome::not_proven
                                                      : CriterionOutcome::not_met;
    };
    return {baseline_handles_load(experiment),
            baseline_is_stable(experiment, std::log1p(options.margin)),
            baseline_scales_predictably(experiment),
            of_metrics("candidate_equal_or_better", comparison,
                       {"throughput", "latency_p50", "latency_p95", "latency_p99", "cpu_per_event",
                        "error_rate"},
                       no_worse),
            of_metrics("candidate_more_memory_efficient", comparison, {"memory_peak"}, better),
            candidate_scales_better(experiment, options.confidence),
            candidate_more_resilient(experiment, comparison)};
}

}  // namespace crucible::lab
