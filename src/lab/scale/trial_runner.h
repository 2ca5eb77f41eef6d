#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "lab/experiment/experiment.h"
#include "lab/scale/axis.h"
#include "lab/scale/scaling_trial.h"

namespace crucible::lab::scale {

/// Runs the trials of a scaling: each with a fresh system and its own stream of events. One that
/// would end later than the time budget is not begun; it counts as interrupted, as the scaling is.
class TrialRunner {
public:
    struct Options {
        Axis axis = Axis::rate;
        const Scenario* scenario = nullptr;
        const Slo* slo = nullptr;
        std::uint64_t seed = 1;
        Duration time_budget{};  ///< of all trials, from construction on; zero: no limit
        std::stop_token stop;
        TrialFunction run;  ///< null: run_trial
        base::Clock* clock = nullptr;
    };
    /// What `options` points to must outlive it.
    explicit TrialRunner(Options options);

    /// What the trials that follow are called where their progress is shown.
    std::function<void(double load, const TrialProgress&)> on_progress = nullptr;

    /// One trial at `load`, as it was measured; the failure to start one is its failure, with no
    /// phase. It is `length` long, in open loop longer where the SLO needs more events. `number`
    /// decides its events: trials of one number have the same.
    TrialResult run_at(const TargetUrl& target, double load, Duration length, std::uint32_t number,
                       const TrialOptions& options = {});

    /// The same on a target that does nothing, and has neither services nor workers: along those
    /// axes it is the same everywhere.
    TrialResult run_harness(double load, Duration length, std::uint32_t number);

    /// How long a trial of `target` at `load` has to be for what the SLO needs, `length` at least.
    /// How many events there are as fast as they are acknowledged only trials tell: it is as long
    /// as the median of those at this load, else at the nearest lower one, says that it takes,
    /// unless that is more than ten times trial_length(). Trials that failed or were interrupted
    /// tell nothing. In open loop, where run_at() knows how many there are, and without an SLO it
    /// is `length`.
    Duration long_enough(const TargetUrl& target, double load, Duration length) const;
    /// The same of trial_length().
    Duration long_enough(const TargetUrl& target, double load) const;
    /// Whether by the same trials one of `length` has fewer events than the SLO needs, and is to be
    /// longer. Less often than long_enough() is longer: that allows for a trial that does less.
    bool too_short(const TargetUrl& target, double load, Duration length) const;
    /// As the scenario has it.
    Duration trial_length() const { return options_.scenario->plan.phases.front().duration(); }

    /// The scenario at `load`, as long as the scenario has it: run_at() runs it as long as is
    /// asked.
    AxisTrial at(const TargetUrl& target, double load) const;

    /// at() or a change of it, as fast as events are acknowledged, whatever the axis is.
    TrialResult run_closed(AxisTrial trial, double load, std::uint32_t number);

    /// Rates one after the other on one system, each for `length` or what the SLO needs, without a
    /// rest between them and without a warm-up where there are several: what is in flight when the
    /// rate changes ends while the next one is offered. As many as were measured, the last one with
    /// the failure that ended them. Where that was a client's, those before it say nothing: clients
    /// tell what they did when all loads have ended.
    std::vector<ScalingTrial> run_rates(const TargetUrl& target, const std::vector<double>& rates,
                                        Duration length, std::uint32_t number);

    /// One trial at a load of another axis, with a system of its own, long_enough().
    ScalingTrial run_load(const TargetUrl& target, double load, Duration length,
                          std::uint32_t number);

    /// Whether judge() of such a trial takes the harness: its share in what the SLO limits.
    bool takes_harness(const TrialResult& trial) const;
    /// The judgement of run_at()'s result; `harness` and `recovers` as judge_trial() has them.
    ScalingTrial judge(double load, const TrialResult& trial, const TrialResult* harness = nullptr,
                       bool recovers = false) const;

    /// False once the user has asked to stop, or a trial would have ended later than allowed.
    bool going();
    /// Whether a trial of `length`, with the harness's where the SLO may need it, would end within
    /// the time budget.
    bool fits(Duration length) const;
    bool out_of_time() const noexcept { return out_of_time_; }
    bool interrupted() const noexcept { return options_.stop.stop_requested(); }

private:
    TrialResult run(const AxisTrial& trial, double load, const TrialOptions& options);
    TrialResult run_for(AxisTrial trial, double load, Duration length, std::uint32_t number,
                        const TrialOptions& options);
    AxisTrial harness_at(double load) const;
    bool ends_in_time(Duration planned);
    bool within_budget(Duration takes) const;
    std::optional<std::chrono::duration<double>> time_needed(const TargetUrl& target,
                                                             double load) const;

    Options options_;
    TargetUrl harness_;
    base::SteadyClock steady_;
    base::Clock& clock_;
    TrialFunction run_;
    TimePoint started_;
    Duration overhead_{};  ///< most that a trial took beyond its plan
    bool out_of_time_ = false;
    /// Events/s of each trial, by target and load.
    std::map<std::string, std::map<double, std::vector<double>>> done_;
};

}  // namespace crucible::lab::scale
