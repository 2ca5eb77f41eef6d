#include "lab/scale/scaling_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "lab/run/checks.h"
#include "lab/run/merge.h"

namespace crucible::lab::scale {
namespace {

Check stationary(const Stationarity& backlog) {
    if (!backlog.judged) return {"stationary", true, "closed loop, or too short to tell"};
    return {"stationary", backlog.steady(),
            fmt::format("the backlog grew by {:.1f} events/s [{:.1f}, {:.1f}]", backlog.slope,
                        backlog.ci_low, backlog.ci_high)};
}

const Check* failed_check(const std::vector<Check>& checks, std::string_view name) {
    const auto found = std::ranges::find(checks, name, &Check::name);
    return found != checks.end() && !found->passed ? &*found : nullptr;
}

/// Whether more broke than an injector that was late by `own` can have caused: what it sent late
/// waited `own` longer, and came in a burst that took up to `own` to work off.
bool broke_by_itself(const ScalingTrial& trial, double own, double rate) {
    const double length = std::chrono::duration<double>(trial.length).count();
    if (trial.backlog.growing() && trial.backlog.ci_low * length > 2 * rate * own) return true;
    return std::ranges::any_of(trial.slo.outcomes, [own](const SloOutcome& outcome) {
        return outcome.broken && outcome.value &&
               outcome.limit->metric->name.starts_with("latency_") &&
               !outcome.limit->holds(*outcome.value - 2 * own);
    });
}

/// The first check whose failure makes the trial say nothing.
std::string why_invalid(const ScalingTrial& trial, double own_lateness, double rate,
                        bool recovers) {
    for (const auto& check : trial.checks) {
        if (check.passed || !invalidates(check.name)) continue;
        if (check.name == "schedule_kept" && broke_by_itself(trial, own_lateness, rate)) continue;
        return fmt::format("{}: {}", check.name, check.detail);
    }
    if (trial.backlog.draining() && !recovers) {
        return fmt::format("stationary: {}: a longer warm-up would help",
                           stationary(trial.backlog).detail);
    }
    return {};
}

/// What broke, and the figures behind it: a target that is gone, then what was asked for, the SLO;
/// then what no limit of it names: what was not even sent, and a backlog that would break it in a
/// longer trial.
void find_broken(ScalingTrial& trial) {
    if (trial.failure) {
        trial.broken = kBrokenTarget;
        trial.detail = trial.failure->message;
    } else if (const auto* worst = trial.slo.worst()) {
        trial.broken = worst->limit->text;
        trial.detail = describe(*worst);
        if (trial.backlog.growing())
            trial.detail += fmt::format("; {}", stationary(trial.backlog).detail);
    } else if (const auto* offered = failed_check(trial.checks, "offered_as_planned")) {
        trial.broken = kBrokenOffered;
        trial.detail =
            fmt::format("{}: the target's own send() held the others up", offered->detail);
    } else if (trial.backlog.growing()) {
        trial.broken = kBrokenBacklog;
        trial.detail = stationary(trial.backlog).detail;
    }
}

std::vector<MetricValue> metrics_for(const Slo& slo, const TrialResult& trial,
                                     const TrialResult* harness) {
    if (!slo.limits_resources()) return trial_metrics(trial, nullptr);
    const bool net = harness != nullptr && harness->valid();
    auto metrics = trial_metrics(trial, net ? harness : nullptr);
    if (!net) remove_gross(metrics, trial, "the harness alone was not measured, or not valid");
    return metrics;
}

/// Why the SLO says nothing about a trial in which nothing is broken.
std::string not_judged(const SloJudgement& slo) {
    for (const auto& outcome : slo.outcomes) {
        if (!outcome.judged()) return describe(outcome);
    }
    return {};
}

}  // namespace

const MetricValue* ScalingTrial::metric(std::string_view name) const noexcept {
    const auto found = std::ranges::find_if(
        metrics, [name](const MetricValue& value) { return value.info->name == name; });
    return found == metrics.end() ? nullptr : &*found;
}

std::uint64_t events_needed(const Slo& slo) {
    constexpr std::array<std::pair<std::string_view, std::uint64_t>, 6> kNeeds{
        {{"latency_p50", 36},
         {"latency_p90", 100},
         {"latency_p95", 200},
         {"latency_p99", 1'000},
         {"latency_p999", 10'000},
         {"service_time_p99", 1'000}}};
    std::uint64_t needed = 36;
    for (const auto& limit : slo.limits) {
        for (const auto& [metric, events] : kNeeds)
            if (limit.metric->name == metric) needed = std::max(needed, events);
    }
    return needed;
}

ScalingTrial judge_trial(double load, const TrialResult& result, const Slo& slo,
                         const TrialResult* harness, bool recovers) {
    ScalingTrial trial{.load = load};
    // Where the target lives in the clients, one that dies is the target's death. What went wrong
    // when all was stopped says nothing of the load.
    const bool client_failed = result.failure && result.failed_part == FailedPart::client;
    if (client_failed && !result.embedded) {
        trial.invalid = fmt::format("{}: {}", kInvalidClient, result.failure->message);
    } else if (result.failed_part != FailedPart::stop) {
        trial.failure = result.failure;
    }
    trial.interrupted = result.interrupted;
    trial.checks = result.checks;
    double own_lateness = 0;
    double rate = 0;
    if (!result.phases.empty()) {
        const auto& phase = *latency_phase(result.phases);
        trial.planned = phase.phase.duration();
        trial.length =
            phase.clients.empty() ? phase.phase.duration() : phase.clients.front().window;
        if (phase.phase.open_loop()) {
            own_lateness = std::chrono::duration<double>(phase.own_lateness.quantile(0.99)).count();
            rate = static_cast<double>(phase.phase.events()) /
                   std::chrono::duration<double>(phase.phase.duration()).count();
            trial.backlog =
                judge_stationarity(backlog_in_window(phase.clients), kBacklogInterval, rate);
        }
        trial.metrics = metrics_for(slo, result, harness);
        trial.slo = judge_slo(slo, trial.metrics, phase.saturated || trial.backlog.growing());
        trial.checks.push_back(stationary(trial.backlog));
    }
    // What a dead target leaves undone is no fault of the measurement.
    if (!trial.failure && trial.invalid.empty())
        trial.invalid = why_invalid(trial, own_lateness, rate, recovers);
    find_broken(trial);
    if (trial.invalid.empty() && trial.broken.empty() && trial.slo.unknown)
        trial.invalid = not_judged(trial.slo);
    return trial;
}

ScalingTrial not_started(double load, const Error& error) {
    ScalingTrial trial{.load = load};
    trial.failure = error;
    trial.started = false;
    trial.invalid = fmt::format("could not be started: {}", error.message);
    trial.detail = error.message;
    return trial;
}

}  // namespace crucible::lab::scale
