#include "lab/scale/limit_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "base/assert.h"

namespace crucible::lab::scale {
namespace {

/// So often in a row a target may fail to start before it is given up.
constexpr std::uint32_t kStartsFailedMax = 2;
/// Trials at a load that follows an overload: as many as decide it.
constexpr std::size_t kTrialsAfterOverload = 3;
/// Off the axis of rates.
constexpr std::string_view kNoWayDown =
    "only a rate changes while a system runs; each of these loads has a system of its own";

Validity validity_of(const ScalingTrial& trial) {
    if (trial.valid()) return Validity::valid;
    if (!trial.started) return Validity::not_started;
    if (trial.invalid.starts_with("schedule_kept")) return Validity::injector_late;
    if (trial.invalid.starts_with(kInvalidClient)) return Validity::client_failed;
    for (const auto& outcome : trial.slo.outcomes)
        if (trial.invalid.starts_with(outcome.limit->text)) return Validity::not_judged;
    return Validity::unsteady;
}

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

}  // namespace

Result<LimitSearch> LimitSearch::create(SearchOptions options, const Slo& slo, Axis axis) {
    if (axis != Axis::rate) {
        options.whole_numbers = true;
        options.descends = false;
    }
    auto search = BreakingPointSearch::create(options);
    if (!search) return std::unexpected(search.error());
    return LimitSearch(*std::move(search), options, slo, axis);
}

LimitSearch::LimitSearch(BreakingPointSearch search, const SearchOptions& options, const Slo& slo,
                         Axis axis)
    : search_(std::move(search)), options_(options), slo_(&slo), axis_(axis) {
    for (const auto& limit : slo_->limits) objectives_.push_back(limit.text);
    for (const auto name : {kBrokenBacklog, kBrokenOffered, kBrokenTarget})
        objectives_.emplace_back(name);
}

std::size_t LimitSearch::index_of(const ScalingTrial& trial) const {
    const auto found = std::ranges::find(objectives_, trial.broken);
    return static_cast<std::size_t>(found - objectives_.begin());
}

std::optional<ScalingTrial> LimitSearch::run_overload(double load, std::uint32_t recovery,
                                                      const RunLoads& run) {
    std::vector<double> loads(1 + recovery + kTrialsAfterOverload, load);
    loads.front() = overload_;
    auto trials = run(loads, false);
    recovering_.clear();
    ahead_.clear();
    if (trials.empty()) return std::nullopt;
    note_recovery(load, recovery, trials);
    // What failed on the way is what came of it: with the last one it has to be told.
    const std::size_t counted = std::min<std::size_t>(1 + recovery, trials.size() - 1);
    for (std::size_t i = 1; i < trials.size(); ++i) {
        if (i < counted) {
            recovering_.push_back(std::move(trials[i]));
        } else {
            ahead_.push_back(std::move(trials[i]));
        }
    }
    return std::move(trials.front());
}

void LimitSearch::note_recovery(double load, std::uint32_t recovery,
                                const std::vector<ScalingTrial>& trials) {
    Recovery& known = recoveries_[load];
    double passed = 0;
    double allowed = 0;
    std::optional<double> took;
    for (std::size_t i = 1; i < trials.size(); ++i) {
        if (trials[i].held() && !took) took = passed;
        passed += seconds(trials[i].planned);
        if (i <= recovery) allowed = passed;
    }
    known.allowed_seconds = std::max(known.allowed_seconds, allowed);
    if (took) known.seconds = std::max(known.seconds.value_or(0), *took);
}

std::optional<LimitSearch::Ran> LimitSearch::run_after_overload(const Probe& probe,
                                                                const RunLoads& run) {
    if (!has_ahead()) {
        // The system of the overload has ended: another one comes from another overload.
        auto overload = run_overload(probe.load, probe.recovery, run);
        if (!overload) return std::nullopt;
        // What follows one that was none would be no way down.
        if (ahead_.empty() || !overload->valid() || overload->broken.empty()) {
            recovering_.clear();
            ahead_.clear();
            return Ran{Stage::overload, *std::move(overload)};
        }
        record(Stage::overload, *overload);
    }
    for (const auto& trial : recovering_) record(Stage::recover, trial);
    recovering_.clear();
    auto trial = std::move(ahead_.front());
    ahead_.pop_front();
    return Ran{probe.stage, std::move(trial)};
}

std::optional<LimitSearch::Ran> LimitSearch::run_probe(const Probe& probe, const RunLoads& run) {
    if (probe.continues) return run_after_overload(probe, run);
    if (probe.stage == Stage::overload) {
        overload_ = probe.load;
        auto overload = run_overload(probe.then, probe.recovery, run);
        if (!overload) return std::nullopt;
        return Ran{Stage::overload, *std::move(overload)};
    }
    auto trials = run({probe.load}, probe.long_trial);
    if (trials.empty()) return std::nullopt;
    return Ran{probe.stage, std::move(trials.front())};
}

void LimitSearch::record(Stage stage, const ScalingTrial& trial) {
    const auto value = [&trial](std::string_view name) {
        const auto* metric = trial.metric(name);
        return metric != nullptr ? metric->value : std::nullopt;
    };
    found_.trials.push_back({.stage = stage,
                             .load = trial.load,
                             .seconds = seconds(trial.length),
                             .valid = trial.valid(),
                             .broken = trial.broken,
                             .throughput = value("throughput"),
                             .latency_p99 = value("latency_p99")});
}

void LimitSearch::keep(const Ran& ran) {
    const auto& trial = ran.trial;
    record(ran.stage, trial);
    if (!trial.valid()) {
        if (ran.stage == Stage::soak) {
            soak_invalid_ = trial.invalid;
        } else if (ran.stage == Stage::overload || ran.stage == Stage::descend) {
            descent_invalid_ = trial.invalid;
        } else {
            found_.invalid = invalid_at_[trial.load] = trial.invalid;
        }
    }
    if (trial.valid() && !trial.broken.empty()) broken_trials_.push_back(trial);
    // Of the lower load that follows an overload nobody can tell which of the two it died of.
    const double load = ran.stage == Stage::descend ? std::max(trial.load, overload_) : trial.load;
    if (trial.failure && trial.started && load < found_.died_at.value_or(HUGE_VAL)) {
        found_.died_at = load;
        found_.death = trial.failure->message;
    }
}

/// Whether a start that failed says that there is no system at `load`: so many clients or workers
/// as none was started with yet, where fewer were. A rate begins only after the start.
bool LimitSearch::may_be_too_much(double load) const {
    return axis_ != Axis::rate && highest_started_ > 0 && load > highest_started_;
}

bool LimitSearch::has_ahead() const {
    const auto probe = search_.next();
    return probe && probe->continues && !ahead_.empty() && ahead_.front().load == probe->load;
}

bool LimitSearch::step(const RunLoads& run) {
    const auto probe = search_.next();
    if (!probe) return false;
    const auto ran = run_probe(*probe, run);
    if (!ran || ran->trial.interrupted) return false;
    const ScalingTrial* const trial = &ran->trial;
    if (!trial->started && !may_be_too_much(trial->load)) {
        if (!found_.died_at) found_.death = trial->detail;
        return ++starts_failed_ < kStartsFailedMax;
    }
    if (trial->started) {
        starts_failed_ = 0;
        highest_started_ = std::max(highest_started_, trial->load);
        // It did start, after all.
        if (!found_.died_at) found_.death.clear();
    }
    keep(*ran);
    // None is planned shorter than the goal asks, and none counts for more: one that is longer, as
    // the SLO needs more events, would decide its load alone. What died early has broken for all of
    // it, and where arrivals are random so is the window's end.
    Outcome outcome{.validity = validity_of(*trial),
                    .duration = options_.goal.final_trial_duration};
    if (trial->valid() && !trial->broken.empty()) {
        outcome.broken = {index_of(*trial)};
        const auto* throughput = trial->metric("throughput");
        if (trial->failure) {
            outcome.loss_ratio = 1;
        } else if (throughput != nullptr && throughput->value) {
            outcome.loss_ratio = std::clamp(1 - *throughput->value / trial->load, 0.0, 1.0);
        }
    } else if (const auto* errors = trial->metric("error_rate"); errors && errors->value) {
        // A load may be held with some lost. What was only late is not lost.
        outcome.loss_ratio = std::clamp(*errors->value, 0.0, 1.0);
    }
    if (ran->stage == Stage::overload) {
        outcome.died_of_overload = trial->failure.has_value();
        outcome.overload_held =
            probe->stage == Stage::descend && trial->valid() && trial->broken.empty();
    }
    if (axis_ != Axis::rate) {
        const auto* done = trial->metric("throughput");
        outcome.throughput = done != nullptr ? done->value.value_or(0) : 0;
    }
    search_.add(trial->load, outcome);
    return true;
}

LimitFound LimitSearch::result() const {
    LimitFound found = found_;
    found.point = search_.result();
    const auto ended_by = invalid_at_.find(found.point.invalid_load.value_or(0));
    if (ended_by != invalid_at_.end()) found.invalid = ended_by->second;
    const auto not_valid = [this](const std::string& why) {
        return fmt::format("{} trials in a row were not valid: {}", options_.invalid_in_row_max,
                           why);
    };
    if (found.point.soak_invalid) found.soak_absent = not_valid(soak_invalid_);
    if (found.point.no_overload == NoOverload::range_ends) {
        found.hysteresis_absent = "no higher load than the one that breaks is in the range";
    } else if (found.point.no_overload == NoOverload::range_begins) {
        found.hysteresis_absent =
            "no load is in the range at which the backlog of an overload would be gone in time";
    } else if (found.point.no_overload == NoOverload::invalid) {
        found.hysteresis_absent =
            fmt::format("trials above the load that breaks were not valid: {}", found.invalid);
    } else if (found.point.no_overload == NoOverload::held) {
        found.hysteresis_absent = "the load that was to overload it was held";
    } else if (found.point.descent_died) {
        found.hysteresis_absent = "it died of the overload";
    } else if (found.point.descent_invalid) {
        found.hysteresis_absent = not_valid(descent_invalid_);
    } else if (const auto next = search_.next();
               next && (next->stage == Stage::overload || next->stage == Stage::descend)) {
        found.hysteresis_absent = starts_failed_ >= kStartsFailedMax
                                      ? "it could not be started again"
                                      : "the time or the user ended it first";
    }
    if (const auto& hysteresis = found.point.hysteresis) {
        // The first load of the way down is the highest.
        const auto at = hysteresis->recovers_at ? recoveries_.find(*hysteresis->recovers_at)
                                                : std::prev(recoveries_.end());
        CRUCIBLE_ASSERT(at != recoveries_.end());
        found.recovery_allowed_seconds = at->second.allowed_seconds;
        if (hysteresis->recovers_at) found.recovery_seconds = at->second.seconds;
    }
    if (axis_ != Axis::rate && found.point.lower_bound && found.point.upper_bound)
        found.hysteresis_absent = kNoWayDown;
    if (found.point.broke_first) found.broken = objectives_[*found.point.broke_first];
    const double near = found.point.upper_bound.value_or(0);
    double least = std::numeric_limits<double>::infinity();
    for (const auto& trial : broken_trials_) {
        const double distance = std::abs(trial.load - near);
        if ((!found.broken.empty() && trial.broken != found.broken) || distance >= least) continue;
        least = distance;
        found.detail = trial.detail;
        if (found.broken.empty()) found.broken = trial.broken;
    }
    return found;
}

}  // namespace crucible::lab::scale
