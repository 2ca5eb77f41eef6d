#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crucible/error.h"
#include "lab/aggregate/metric.h"
#include "lab/experiment/experiment.h"
#include "lab/scale/axis.h"
#include "lab/scale/slo.h"
#include "lab/scale/stationarity.h"

namespace crucible::lab::scale {

/// What breaks at a limit besides the limits of an SLO.
inline constexpr std::string_view kBrokenBacklog = "backlog";  ///< it grew for the whole trial
inline constexpr std::string_view kBrokenOffered = "offered";  ///< the target held its senders up
inline constexpr std::string_view kBrokenTarget = "target";    ///< it died

/// What comes first in ScalingTrial::invalid where a client of a target outside of it failed.
inline constexpr std::string_view kInvalidClient = "client";

/// One trial at one load, judged.
struct ScalingTrial {
    double load = 0;
    /// Net of the harness where the SLO limits what it has a share in, else of the target with its
    /// clients.
    std::vector<MetricValue> metrics;
    SloJudgement slo;
    Stationarity backlog;
    std::vector<Check> checks;  ///< those of the trial, and "stationary"
    Duration planned{};         ///< of the load that was to be measured
    Duration length{};          ///< of what was: less where the target died
    /// Why it says nothing about the load; empty where it is valid. The check that failed comes
    /// first: "schedule_kept: …".
    std::string invalid;
    /// What broke first of what had to hold: the text of a limit, or one of kBroken…; empty where
    /// the load was held.
    std::string broken;
    std::string detail;            ///< the figures behind `broken`, in one line
    std::optional<Error> failure;  ///< the target died of the load, or could not be started
    bool started = true;           ///< false: it could not
    bool interrupted = false;

    bool valid() const noexcept { return invalid.empty() && !interrupted; }
    bool held() const noexcept { return valid() && broken.empty(); }
    const MetricValue* metric(std::string_view name) const noexcept;
};

/// Fewest events from which every quantile that `slo` limits has a value: ten beyond it.
std::uint64_t events_needed(const Slo& slo);

/// Judges what a trial measured at `load`. It is valid only where the injector kept its schedule,
/// the planned load was offered and the backlog did not drain for as long as it lasted; one that
/// grew so long is not a failure of the measurement: more was offered than the target can do, and
/// what breaks is kBrokenBacklog. Nor does a late injector excuse a target that broke by more than
/// the lateness: with a backlog that grew by more than twice what it held back, or with a latency
/// beyond its limit by more than twice the lateness. A target that died of the
/// load has broken, too, and says how; a client that died says nothing of a target outside of it.
/// `harness`: the same load on a target that does nothing, for an SLO that limits_resources();
/// without it, or where it was not valid, those limits cannot be judged.
/// `recovers`: the load follows a higher one without a rest, so that a backlog which drains is what
/// that one has left, and says as much of the target as all else.
ScalingTrial judge_trial(double load, const TrialResult& trial, const Slo& slo,
                         const TrialResult* harness = nullptr, bool recovers = false);

/// One that could not even begin: of the load it says nothing.
ScalingTrial not_started(double load, const Error& error);

}  // namespace crucible::lab::scale
