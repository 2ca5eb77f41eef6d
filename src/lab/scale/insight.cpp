#include "lab/scale/insight.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <utility>

#include "lab/run/merge.h"
#include "lab/scale/bottleneck_evidence.h"
#include "lab/stats/batch_means.h"
#include "lab/stats/student.h"

namespace crucible::lab::scale {
namespace {

/// Beyond it a share is all of it, as far as samples can tell.
constexpr double kShareOfAll = 0.99;
/// Threads that run services of an embedded coordinator or a daemon where nobody says (its options'
/// default), and of a synthetic system.
constexpr double kWorkersUsual = 2;
constexpr double kWorkersSynthetic = 1;
constexpr double kLawTolerance = 0.05;
constexpr double kInsightLevel = 0.95;
/// Of a client's mean backlog, 95 %: samples in step with equal arrivals see the same part of their
/// period each time, and are wrong by up to half an event, uniform over random starts.
constexpr double kStepError = 1.96 * 0.288675;  // sqrt(1/12)
/// Of a population that its samples tell no better, a law says nothing.
constexpr double kPopulationErrorMax = 0.5;
/// Processor time of processes is counted in ticks of 10 ms: of less, one at each end is no longer
/// well below the laws' tolerance.
constexpr double kCpuSecondsMin = 1;

double option_or(const TargetUrl& target, std::string_view name, double otherwise) {
    const auto* text = target.option(name);
    if (text == nullptr) return otherwise;
    double value = otherwise;
    std::from_chars(text->data(), text->data() + text->size(), value);
    return value;
}

/// The URL with an option replaced or added; nullopt where its scheme has no such option.
std::optional<TargetUrl> with_changed(const TargetUrl& target, std::string_view name,
                                      const std::string& value) {
    std::string text = target.scheme + ":" + target.path;
    char separator = '?';
    for (const auto& [key, old] : target.options) {
        if (key == name) continue;
        text += fmt::format("{}{}={}", std::exchange(separator, '&'), key, old);
    }
    text += fmt::format("{}{}={}", separator, name, value);
    auto url = parse_target(text);
    if (!url) return std::nullopt;
    return *std::move(url);
}

/// Of the time of the threads that run services, the share in which one of them did something or
/// waited for anything but work.
double busy_share(const ActivityReport& activity) {
    double busy = 0;
    double all = 0;
    for (const auto& thread : activity.threads) {
        if (!thread.name.starts_with("worker-")) continue;
        const auto seen = [&thread](Activity what) {
            return static_cast<double>(thread.seen[static_cast<std::size_t>(what)]);
        };
        all += static_cast<double>(thread.samples);
        busy += static_cast<double>(thread.samples) - seen(Activity::idle) - seen(Activity::asleep);
    }
    return all > 0 ? busy / all : 0;
}

/// Processor time of the threads that run services over that of all of the system's.
double worker_cpu_share(const ActivityReport& activity) {
    double workers = 0;
    double all = 0;
    for (const auto& thread : activity.threads) {
        if (thread.side != ActivitySide::system) continue;
        const double cpu = std::chrono::duration<double>(thread.cpu).count();
        all += cpu;
        if (thread.name.starts_with("worker-")) workers += cpu;
    }
    return all > 0 ? workers / all : 0;
}

std::optional<double> gain_without(double share) {
    if (share >= kShareOfAll) return std::nullopt;
    return 1 / (1 - share);
}

std::optional<Intervention> intervene(const TargetUrl& target, std::string_view name,
                                      const std::string& value, std::optional<double> predicted,
                                      std::string why) {
    const auto* old = target.option(name);
    if (old != nullptr && *old == value) return std::nullopt;
    const auto changed = with_changed(target, name, value);
    if (!changed) return std::nullopt;
    return Intervention{.target = changed->text,
                        .change = fmt::format("{}={}", name, value),
                        .why = std::move(why),
                        .predicted = predicted};
}

std::optional<Intervention> without_work(const TargetUrl& target, const ActivityReport& activity) {
    const double share = worker_cpu_share(activity);
    return intervene(
        target, "work", "none", gain_without(share),
        fmt::format("threads that run services took {:.0f} % of the system's processor "
                    "time; without their handlers at most that is gained",
                    100 * share));
}

/// Of a trial whose backlog did not grow: where it does, what is in the system and what leaves it
/// are of different times, and what is worked off afterwards, without the load beside it, costs
/// something else.
std::vector<LawCheck> laws_of(const PhaseResult& phase, const ActivityReport& activity) {
    if (phase.clients.empty() || phase.throughput <= 0 || phase.latency.count() == 0) return {};
    const auto backlog = backlog_in_window(phase.clients);
    if (backlog.empty()) return {};
    Operation operation;
    operation.seconds = std::chrono::duration<double>(phase.clients.front().window).count();
    operation.completions = phase.throughput * operation.seconds;
    std::vector<stats::Batch> samples;
    for (const double present : backlog) samples.push_back({.weight = 1, .total = present});
    if (const auto mean = stats::batch_means(samples, kInsightLevel)) {
        const double error = (mean->interval.high - mean->interval.low) / 2 +
                             kStepError * std::sqrt(static_cast<double>(phase.clients.size()));
        if (mean->estimate > 0 && error <= kPopulationErrorMax * mean->estimate) {
            operation.population = mean->estimate;
            operation.population_error = error;
            operation.response_seconds = phase.latency.mean_ns() * 1e-9;
        }
    }
    operation.servers = std::max(1.0, activity.cores);
    // Two of the kernel's counters that the trial reads apart from each other: that of the
    // processes, from the first event of the warm-up to the last one drained, gives what an event
    // costs; those of the threads, in the window alone, how busy the processors were with them.
    const double cpu = std::chrono::duration<double>(phase.usage_system.cpu).count();
    if (cpu >= kCpuSecondsMin && phase.delivery.handled > 0) {
        operation.service_seconds = cpu / static_cast<double>(phase.delivery.handled);
        operation.busy_seconds = activity.system().cpu_cores * operation.seconds;
    }
    return check_laws(operation, kLawTolerance);
}

/// A look that would end later than the time budget allows is as long as it has to be and no
/// longer: not begun, it would say nothing.
Duration look_length(const TrialRunner& runner, const TargetUrl& target, double load) {
    // What a search found valid there is to be so here, too.
    const Duration enough = runner.long_enough(target, load);
    const Duration longer = std::max(enough, kLookTimes * runner.trial_length());
    return runner.fits(longer) ? longer : enough;
}

Insight insight_of(double load, const PhaseResult& phase, const ScalingTrial& judged) {
    Insight insight;
    insight.load = load;
    insight.activity = phase.activity;
    auto evidence =
        bottleneck_evidence(phase, judged.broken.empty() ? std::string() : judged.detail);
    // A late injector's trial is valid only where it does not explain what was reached.
    evidence.lateness_excused = judged.valid() && evidence.limit_reached;
    insight.judgement = judge_bottleneck(evidence);
    if (const auto backlog = backlog_in_window(phase.clients); !backlog.empty()) {
        insight.under_way = {.mean = std::accumulate(backlog.begin(), backlog.end(), 0.0) /
                                     static_cast<double>(backlog.size()),
                             .most = std::ranges::max(backlog)};
    }
    if (!phase.saturated && !judged.backlog.growing())
        insight.laws = laws_of(phase, *phase.activity);
    insight.limits = phase.limits;
    return insight;
}

}  // namespace

std::optional<Intervention> choose_intervention(const TargetUrl& target, Bottleneck verdict,
                                                const ActivityReport& activity) {
    if (verdict == Bottleneck::workers) {
        const double workers = option_or(
            target, "workers", target.scheme == "synthetic" ? kWorkersSynthetic : kWorkersUsual);
        return intervene(target, "workers", fmt::format("{:.0f}", workers + 1),
                         (workers + 1) / workers,
                         fmt::format("one more than {:.0f} workers", workers));
    }
    if (verdict == Bottleneck::io || verdict == Bottleneck::lock_contention) {
        const auto* durability = target.option("durability");
        if (durability != nullptr && *durability == "full") {
            const auto storage = static_cast<std::size_t>(Activity::storage);
            const double share = activity.system().present[storage];
            return intervene(
                target, "durability", "normal", gain_without(share),
                fmt::format("some thread was in storage {:.0f} % of the time", 100 * share));
        }
        const double share = busy_share(activity);
        return intervene(target, "work", "none", gain_without(share),
                         fmt::format("threads that run services worked or waited in it {:.0f} % of "
                                     "the time; without their handlers at most that is gained",
                                     100 * share));
    }
    if (verdict == Bottleneck::cpu_bound) return without_work(target, activity);
    return std::nullopt;
}

Result<Insight> look_for_bottleneck(TrialRunner& runner, const TargetUrl& target, const Look& look,
                                    std::uint32_t number) {
    const auto unknown = [](std::string why) {
        return std::unexpected(Error{Errc::failed, std::move(why)});
    };
    TrialOptions options;
    options.activity = true;
    std::optional<Insight> insight;
    std::string invalid = "the time or the user ended it first";
    for (std::uint32_t i = 0; i < kLooksMax && runner.going(); ++i) {
        const Duration length = look_length(runner, target, look.load);
        const auto trial = runner.run_at(target, look.load, length, number + i, options);
        std::optional<TrialResult> harness;
        if (runner.takes_harness(trial))
            harness = runner.run_harness(look.load, length, number + i);
        const auto judged = runner.judge(look.load, trial, harness ? &*harness : nullptr);
        if (judged.interrupted) break;
        if (judged.failure) return unknown("it failed: " + judged.failure->message);
        if (!judged.valid()) {
            invalid = "no trial there was valid: " + judged.invalid;
            continue;
        }
        if (trial.phases.empty() || !trial.phases.front().activity)
            return unknown("its processes are not known, or could not be watched");
        insight = insight_of(look.load, trial.phases.front(), judged);
        if (!look.broke || !judged.broken.empty()) break;
    }
    if (!insight) return unknown(std::move(invalid));
    const auto run = runner.at(target, look.load).target;
    insight->intervention =
        choose_intervention(run, insight->judgement.verdict, *insight->activity);
    if (!insight->intervention) {
        insight->why_no_intervention =
            fmt::format("{} has no option that would change what binds", run.text);
    }
    return *std::move(insight);
}

void measure_intervention(TrialRunner& runner, const TargetUrl& target, double load,
                          Intervention& intervention, std::uint32_t pairs, std::uint32_t number) {
    const auto changed = parse_target(intervention.target);
    std::vector<double> logs;
    for (std::uint32_t pair = 0; pair < pairs && runner.going(); ++pair) {
        double throughput[2] = {0, 0};
        for (const std::size_t side : {pair % 2, 1 - pair % 2}) {
            if (!runner.going()) break;
            auto at = runner.at(target, load);
            if (side == 1) at.target = *changed;
            const auto trial = runner.run_closed(std::move(at), load, number + pair);
            if (trial.failure) {
                intervention.absent = trial.failure->message;
                return;
            }
            if (trial.valid() && !trial.phases.empty())
                throughput[side] = trial.phases.front().throughput;
        }
        if (throughput[0] > 0 && throughput[1] > 0)
            logs.push_back(std::log(throughput[1] / throughput[0]));
    }
    const auto gain = stats::mean_interval(logs, kInsightLevel);
    if (!gain) {
        intervention.absent = "too few trials";
        return;
    }
    intervention.measured = stats::LocationEstimate{
        .estimate = std::exp(gain->estimate),
        .interval = {std::exp(gain->interval.low), std::exp(gain->interval.high)},
        .level = gain->level};
    intervention.confirmed =
        intervention.measured->interval.low > 1 &&
        intervention.measured->estimate - 1 >= (intervention.predicted.value_or(1) - 1) / 2;
}

}  // namespace crucible::lab::scale
