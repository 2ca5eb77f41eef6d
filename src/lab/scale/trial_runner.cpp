#include "lab/scale/trial_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "lab/run/checks.h"
#include "lab/stats/robust.h"

namespace crucible::lab::scale {
namespace {

/// One phase as if it were the trial: what was checked of all, of it alone.
TrialResult only_phase(const TrialResult& trial, std::size_t phase) {
    TrialResult part;
    part.target = trial.target;
    part.includes_clients = trial.includes_clients;
    part.embedded = trial.embedded;
    part.phases = {trial.phases[phase]};
    part.checks = trial_checks(part.phases);
    part.checks.push_back(clock_steady(trial.surroundings));
    part.surroundings = trial.surroundings;
    part.interrupted = trial.interrupted;
    if (phase + 1 == trial.phases.size()) {
        part.failure = trial.failure;
        part.failed_part = trial.failed_part;
    } else if (trial.failure && trial.phases[phase].unreported > 0) {
        // The system held up in it; what a client did of it went with that client, later.
        part.failure = trial.failure;
        part.failed_part = FailedPart::client;
        part.embedded = false;
    }
    return part;
}

/// So much longer a trial may become to have the events that the SLO needs.
constexpr double kLongestTimes = 10;
/// More events than needed: the next trial may do less than the last.
constexpr double kEventsMargin = 1.2;
/// Relative: what is equal but for rounding.
constexpr double kEventsRounding = 1e-9;

/// `model` at `rate` for `length`, and for `events_min` at least.
Phase phase_at(double rate, const Phase& model, Duration length, std::uint64_t events_min) {
    const double asked =
        std::chrono::duration<double>(length).count() * rate * (1 - kEventsRounding);
    const auto events =
        std::max<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(asked)), events_min);
    auto phase = steady_phase(*base::Rate::per_second(rate), events, model.warmup);
    phase.arrivals = model.arrivals;
    return phase;
}

Duration length_of(const Plan& plan) {
    Duration length{};
    for (const auto& phase : plan.phases) length += phase.warmup + phase.duration();
    return length;
}

}  // namespace

TrialRunner::TrialRunner(Options options)
    : options_(std::move(options)),
      harness_(*parse_target("null:")),
      clock_(options_.clock ? *options_.clock : steady_),
      run_(options_.run ? options_.run : TrialFunction(run_trial)),
      started_(clock_.now()) {}

bool TrialRunner::going() {
    return !interrupted() && ends_in_time(Duration::zero());
}

bool TrialRunner::ends_in_time(Duration planned) {
    if (!within_budget(planned + overhead_)) out_of_time_ = true;
    return !out_of_time_;
}

bool TrialRunner::within_budget(Duration takes) const {
    return options_.time_budget <= Duration::zero() ||
           clock_.now() - started_ + takes <= options_.time_budget;
}

bool TrialRunner::fits(Duration length) const {
    const Duration warmup = options_.scenario->plan.phases.front().warmup;
    const int trials = options_.slo->limits_resources() ? 2 : 1;
    return within_budget(trials * (warmup + length + overhead_));
}

TrialResult TrialRunner::run(const AxisTrial& trial, double load, const TrialOptions& options) {
    TrialOptions own = options;
    own.stop = options_.stop;
    own.on_progress = [&](const TrialProgress& at) {
        if (on_progress) on_progress(load, at);
    };
    TrialResult failed;
    failed.target = trial.target.text;
    const Duration planned = length_of(trial.plan);
    if (!ends_in_time(planned)) {
        failed.interrupted = true;
        return failed;
    }
    const TimePoint began = clock_.now();
    auto result = run_(trial.target, trial.system, trial.plan, own);
    overhead_ = std::max(overhead_, clock_.now() - began - planned);
    if (result) return *std::move(result);
    failed.interrupted = interrupted();
    if (!failed.interrupted) failed.failure = result.error();
    return failed;
}

TrialResult TrialRunner::run_for(AxisTrial trial, double load, Duration length,
                                 std::uint32_t number, const TrialOptions& options) {
    trial.system.seed = trial.plan.workload.seed = round_seed(options_.seed, 0, number);
    Phase& phase = trial.plan.phases.front();
    if (phase.open_loop()) {
        const double rate = options_.axis == Axis::rate
                                ? load
                                : static_cast<double>(phase.events()) /
                                      std::chrono::duration<double>(phase.duration()).count();
        // Where nothing is judged no trial is too short.
        const auto events_min = options_.slo->limits.empty() ? 1 : events_needed(*options_.slo);
        phase = phase_at(rate, phase, length, events_min);
    } else {
        phase.closed_duration = length;
    }
    return run(trial, load, options);
}

TrialResult TrialRunner::run_at(const TargetUrl& target, double load, Duration length,
                                std::uint32_t number, const TrialOptions& options) {
    auto result = run_for(at(target, load), load, length, number, options);
    // What went wrong when all was stopped says nothing of the load.
    const bool whole =
        !result.interrupted && (!result.failure || result.failed_part == FailedPart::stop);
    if (whole && !result.phases.empty() && result.phases.front().throughput > 0)
        done_[target.text][load].push_back(result.phases.front().throughput);
    return result;
}

AxisTrial TrialRunner::at(const TargetUrl& target, double load) const {
    return at_load(target, *options_.scenario, options_.axis, load);
}

TrialResult TrialRunner::run_harness(double load, Duration length, std::uint32_t number) {
    return run_for(harness_at(load), load, length, number, {});
}

AxisTrial TrialRunner::harness_at(double load) const {
    if (options_.axis != Axis::services && options_.axis != Axis::workers)
        return at(harness_, load);
    return {
        .target = harness_, .system = options_.scenario->system, .plan = options_.scenario->plan};
}

TrialResult TrialRunner::run_closed(AxisTrial trial, double load, std::uint32_t number) {
    const Phase& asked = options_.scenario->plan.phases.front();
    if (trial.plan.phases.front().open_loop())
        trial.plan.phases = {maximum_phase(asked.duration(), asked.warmup)};
    trial.system.seed = trial.plan.workload.seed = round_seed(options_.seed, 0, number);
    return run(trial, load, {});
}

bool TrialRunner::takes_harness(const TrialResult& trial) const {
    return options_.slo->limits_resources() && trial.includes_clients && !trial.phases.empty();
}

ScalingTrial TrialRunner::judge(double load, const TrialResult& trial, const TrialResult* harness,
                                bool recovers) const {
    if (trial.phases.empty() && trial.failure) return not_started(load, *trial.failure);
    auto judged = judge_trial(load, trial, *options_.slo, harness, recovers);
    // Ended by the user or the time, it lacks what it is judged by.
    if (harness != nullptr && harness->interrupted) judged.interrupted = true;
    return judged;
}

std::vector<ScalingTrial> TrialRunner::run_rates(const TargetUrl& target,
                                                 const std::vector<double>& rates, Duration length,
                                                 std::uint32_t number) {
    auto trial = at_load(target, *options_.scenario, Axis::rate, rates.front());
    trial.system.seed = trial.plan.workload.seed = round_seed(options_.seed, 0, number);
    const Phase model = trial.plan.phases.front();
    trial.plan.phases.clear();
    for (const double load : rates) {
        auto phase = phase_at(load, model, length, events_needed(*options_.slo));
        // A warm-up at the first of several would be more of it, one at the others a rest for what
        // is judged.
        if (rates.size() > 1) phase.warmup = {};
        phase.flows_on = trial.plan.phases.size() + 1 < rates.size();
        phase.name = format_load(Axis::rate, load);
        trial.plan.phases.push_back(std::move(phase));
    }
    const auto result = run(trial, rates.front(), {});
    std::vector<ScalingTrial> trials;
    if (result.phases.empty()) {
        trials.push_back(judge(rates.front(), result));
        return trials;
    }
    std::optional<TrialResult> harness;
    if (takes_harness(result)) {
        trial.target = harness_;
        harness = run(trial, rates.front(), {});
    }
    for (std::size_t i = 0; i < result.phases.size(); ++i) {
        std::optional<TrialResult> alone;
        if (harness && i < harness->phases.size()) {
            alone = only_phase(*harness, i);
        } else {
            alone = harness;
        }
        trials.push_back(
            judge(rates[i], only_phase(result, i), alone ? &*alone : nullptr, /*recovers=*/i > 0));
    }
    return trials;
}

Duration TrialRunner::long_enough(const TargetUrl& target, double load) const {
    return long_enough(target, load, trial_length());
}

Duration TrialRunner::long_enough(const TargetUrl& target, double load, Duration length) const {
    const auto needed = time_needed(target, load);
    if (!needed) return length;
    const auto enough = kEventsMargin * *needed;
    // What would take too long has no value either way.
    if (enough <= length || enough > kLongestTimes * trial_length()) return length;
    return std::chrono::duration_cast<Duration>(enough);
}

bool TrialRunner::too_short(const TargetUrl& target, double load, Duration length) const {
    const auto needed = time_needed(target, load);
    return needed && *needed > length && long_enough(target, load, length) > length;
}

/// For the events that the SLO needs; nullopt where that is not for trials to tell, or none has
/// told.
std::optional<std::chrono::duration<double>> TrialRunner::time_needed(const TargetUrl& target,
                                                                      double load) const {
    const auto of_target = done_.find(target.text);
    const bool open_loop = options_.scenario->plan.phases.front().open_loop();
    if (open_loop || options_.slo->limits.empty() || of_target == done_.end()) return std::nullopt;
    const auto above = of_target->second.upper_bound(load);
    if (above == of_target->second.begin()) return std::nullopt;
    // One that stalled is not to make all that follow longer.
    const double rate = stats::median(std::prev(above)->second);
    return std::chrono::duration<double>(static_cast<double>(events_needed(*options_.slo)) / rate);
}

ScalingTrial TrialRunner::run_load(const TargetUrl& target, double load, Duration length,
                                   std::uint32_t number) {
    const Duration enough = long_enough(target, load, length);
    const auto result = run_at(target, load, enough, number);
    std::optional<TrialResult> alone;
    if (takes_harness(result)) alone = run_harness(load, enough, number);
    return judge(load, result, alone ? &*alone : nullptr);
}

}  // namespace crucible::lab::scale
