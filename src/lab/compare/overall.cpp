#include "lab/compare/overall.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "lab/compare/metric_series.h"

namespace crucible::lab {

std::string percent_text(const Estimate& ratio) {
    const auto percent = [](double value) { return (value - 1) * 100; };
    if (!std::isfinite(ratio.ci_low)) return fmt::format("{:+.1f} %", percent(ratio.value));
    return fmt::format("{:+.1f} % [{:+.1f}, {:+.1f}]", percent(ratio.value), percent(ratio.ci_low),
                       percent(ratio.ci_high));
}

namespace {

std::string fact(const ScenarioComparison& scenario, const MetricComparison& metric) {
    std::string text =
        fmt::format("{}: {} {}", scenario.name, metric.info->name, to_string(metric.verdict));
    if (metric.ratio) text += fmt::format(", {}", percent_text(*metric.ratio));
    if (metric.difference && metric.difference->value != 0) {
        text += fmt::format(", {:+.3g} {}", metric.difference->value, metric.info->unit);
    }
    return text + ": " + metric.reason;
}

/// What the gated metrics say, over all scenarios.
struct GateTally {
    std::vector<std::string> better;  ///< "medium: latency_p99"
    std::vector<std::string> worse;
    std::vector<std::string> open;   ///< inconclusive
    std::vector<std::string> facts;  ///< one line per better or worse metric
    bool any_withheld = false;       ///< what it hides may be worse
    std::optional<std::uint32_t> rounds_needed;
};

GateTally tally_gates(const Comparison& comparison) {
    GateTally tally;
    for (const auto& scenario : comparison.scenarios) {
        for (const auto& metric : scenario.metrics) {
            if (!metric.info->gated) continue;
            tally.any_withheld |= metric.withheld;
            auto name = fmt::format("{}: {}", scenario.name, metric.info->name);
            if (metric.verdict == MetricVerdict::better)
                tally.better.push_back(std::move(name));
            else if (metric.verdict == MetricVerdict::worse)
                tally.worse.push_back(std::move(name));
            else if (metric.verdict == MetricVerdict::inconclusive) {
                tally.open.push_back(fmt::format("{} ({})", name, metric.reason));
                if (metric.rounds_needed) {
                    tally.rounds_needed =
                        std::max(tally.rounds_needed.value_or(0), *metric.rounds_needed);
                }
                continue;
            } else {
                continue;
            }
            tally.facts.push_back(fact(scenario, metric));
        }
    }
    return tally;
}

struct Losses {
    std::uint64_t baseline = 0;  ///< both copies
    std::uint64_t candidate = 0;
    bool proven_worse = false;  ///< the metric `lost` was judged worse somewhere
};

Losses count_losses(const Experiment& experiment, const Comparison& comparison) {
    Losses losses;
    for (const auto& scenario : experiment.scenarios) {
        for (const auto& round : scenario.rounds) {
            if (!round.valid()) continue;
            losses.baseline += total_delivery(round[Arm::baseline]).lost +
                               total_delivery(round[Arm::control]).lost;
            losses.candidate += total_delivery(round[Arm::candidate]).lost;
        }
    }
    for (const auto& scenario : comparison.scenarios) {
        for (const auto& metric : scenario.metrics) {
            losses.proven_worse |=
                metric.info->name == "lost" && metric.verdict == MetricVerdict::worse;
        }
    }
    return losses;
}

/// True when the run ended early, with the reason added: then nothing is decided.
bool ended_early(const Experiment& experiment, Comparison& comparison) {
    if (experiment.failure) {
        comparison.reasons.push_back(
            fmt::format("a target failed, the result is partial: {}", experiment.failure->message));
    }
    if (experiment.interrupted) {
        comparison.reasons.push_back("interrupted: the result is partial");
    }
    return experiment.failure || experiment.interrupted;
}

void add_loss_reason(const Losses& losses, std::vector<std::string>& reasons) {
    if (losses.candidate == 0) {
        reasons.push_back("the candidate lost no event");
    } else {
        reasons.push_back(
            fmt::format("the candidate lost {} events, the two copies of the "
                        "baseline together {}",
                        format_integer(losses.candidate), format_integer(losses.baseline)));
    }
}

void add_open_reasons(const GateTally& gates, std::vector<std::string>& reasons) {
    for (const auto& open : gates.open) reasons.push_back("undecided: " + open);
    if (!gates.rounds_needed) return;
    // Beyond it the estimate says only that this will not be decided by measuring longer here.
    constexpr std::uint32_t kPlannable = 1000;
    reasons.push_back(
        *gates.rounds_needed > kPlannable
            ? "more than 1,000 rounds would be needed to decide the undecided metrics: this "
              "machine is too noisy for them, or they are too close to the margin"
            : fmt::format("about {} rounds would decide the undecided metrics that more rounds "
                          "can decide",
                          *gates.rounds_needed));
}

}  // namespace

void decide_overall(const Experiment& experiment, Comparison& comparison) {
    auto& reasons = comparison.reasons;
    comparison.verdict = OverallVerdict::not_proven;
    if (ended_early(experiment, comparison)) return;
    const bool any_round = std::ranges::any_of(
        comparison.scenarios, [](const ScenarioComparison& s) { return s.rounds > 0; });
    if (!any_round) {
        reasons.push_back("no round was valid: nothing can be compared");
        return;
    }

    if (comparison.voided) return;

    const GateTally gates = tally_gates(comparison);
    const Losses losses = count_losses(experiment, comparison);
    if (losses.proven_worse) {
        // Losing what the other delivers is no trade-off: no speed makes up for it.
        comparison.verdict = OverallVerdict::keep;
        reasons.push_back("the candidate loses events that the baseline delivers");
    } else if (!gates.better.empty() && !gates.worse.empty()) {
        reasons.push_back(fmt::format("trade-off: better in {}; worse in {}",
                                      fmt::join(gates.better, ", "), fmt::join(gates.worse, ", ")));
    } else if (!gates.worse.empty()) {
        comparison.verdict = OverallVerdict::keep;
    } else if (!gates.better.empty() && losses.candidate == 0 && !gates.any_withheld) {
        comparison.verdict = OverallVerdict::adopt;
    } else if (gates.better.empty() && gates.open.empty() && losses.candidate == 0) {
        comparison.verdict = OverallVerdict::no_difference;
        reasons.push_back("every gated metric is equivalent or changed within the margin");
    }
    reasons.insert(reasons.end(), gates.facts.begin(), gates.facts.end());
    if (comparison.verdict == OverallVerdict::adopt) {
        reasons.push_back("no gated metric is worse");
    }
    add_loss_reason(losses, reasons);
    add_open_reasons(gates, reasons);
}

}  // namespace crucible::lab
