#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "crucible/error.h"
#include "lab/experiment/experiment.h"
#include "lab/scale/axis.h"
#include "lab/scale/capacity.h"
#include "lab/scale/insight.h"
#include "lab/scale/limit_search.h"
#include "lab/scale/scaling_trial.h"
#include "lab/scale/slo.h"
#include "lab/scale/sweep.h"
#include "lab/scale/usl.h"

namespace crucible::lab::scale {

/// That one scaling takes: each makes all rounds longer, and reports tell so many apart by colour
/// and mark.
inline constexpr std::size_t kScalingTargetsMax = 6;

/// What is said of one target.
struct TargetScaling {
    /// Its URL; where several have the same, with its place: "daemon: (target 2)".
    std::string target;
    Sweep sweep;
    std::optional<LimitFound> limit;  ///< on the axis of rates, or where an SLO is given
    std::optional<Degradation> degradation;
    /// The law through throughput against load, on the axes of clients and workers.
    std::optional<UslFit> law;
    std::string why_no_law;
    std::optional<Forecast> forecast;
    std::string why_no_forecast;     ///< where a forecast was asked for
    std::optional<Insight> insight;  ///< at its limit, or where it does most
    std::string why_no_insight;
    std::vector<LimitPoint> limit_uses;  ///< of the machine's limits, round by round
};

/// Where a scaling stands, for display.
struct ScalingProgress {
    std::string what;    ///< "ramp", "round 2/6"; on the way down "overload", then "descend"
    std::string target;  ///< as in TargetScaling
    double load = 0;
    TrialProgress trial;
};

/// A trial that has ended, for display.
struct ScalingStep {
    std::string what;    ///< a Stage, "round 2/6"
    std::string target;  ///< as in TargetScaling
    const ScalingTrial& trial;
};

struct ScalingOptions {
    /// One to kScalingTargetsMax, all of which have the axis. Each further one is compared with the
    /// first.
    std::vector<TargetUrl> targets;
    Axis axis = Axis::rate;
    Scenario scenario;
    Slo slo;  ///< without limits, on another axis than the rate, there are only curves
    /// Of the curves, rising. Empty on the axis of rates: chosen where the searches ended.
    std::vector<double> points;
    SearchOptions search;  ///< on the axis of rates, or where an SLO is given
    Duration soak = std::chrono::seconds(10);
    std::uint32_t rounds = 6;  ///< of the curves; 0: none
    std::optional<Demand> demand;
    bool bottleneck = true;          ///< look for what binds
    std::uint32_t intervention = 4;  ///< pairs of trials that measure what a change gains; 0: none
    std::uint64_t seed = 1;
    /// No trial is begun that would end later than this after the start, by its planned length and
    /// what trials so far took beyond theirs. Zero: no limit.
    Duration time_budget{};
    std::function<void(const ScalingProgress&)> on_progress = nullptr;
    std::function<void(const ScalingStep&)> on_step = nullptr;
    std::stop_token stop = {};
    TrialFunction run = nullptr;   ///< null: run_trial
    base::Clock* clock = nullptr;  ///< of the budget; null: the machine's
};

struct Scaling {
    std::vector<TargetScaling> targets;
    std::optional<Error> failure;  ///< a target could not be measured at all
    bool interrupted = false;
    bool out_of_time = false;  ///< it would have gone on
};

/// Measures how the targets scale along the axis. Trials of the targets take turns in random order,
/// each with fresh processes; on the axis of rates, and where an SLO is given on any other, each
/// target's breaking point is searched first, then all are measured at the same points. A target
/// that dies of a load has found its limit: the others, and lower loads, are measured on. Callbacks
/// come from this thread.
/// - Errc::invalid_argument: the search's options, or a range without two loads.
Result<Scaling> run_scaling(const ScalingOptions& options);

}  // namespace crucible::lab::scale
