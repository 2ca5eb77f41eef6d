#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lab/record/limit_use.h"

namespace crucible::lab::scale {

/// What was in use at one load.
struct LimitPoint {
    double load = 0;
    std::vector<LimitUse> uses;  ///< of read_limits(), at that load; empty: it ended too early
    /// Read where the target was looked at for what binds, which is in no round.
    bool at_breaking_point = false;
    std::uint32_t round = 0;  ///< of the curve: what points of one share says nothing of others
};

/// Where a limit would bind.
struct LimitForecast {
    /// Or, where nobody looked there, at the greatest load: the median of what its rounds used.
    LimitUse at_breaking_point;
    /// The load at which it would bind if use went on growing in a straight line. Unset where that
    /// is refused.
    std::optional<double> binds_at;
    double ci_low = 0;              ///< 95 %, with binds_at
    std::optional<double> ci_high;  ///< with binds_at
    std::string refused;            ///< why there is no forecast: "does not grow with the load"
};

/// By limit, the nearest first: those with a share by how much of the limit is used at the breaking
/// point, or, where no point is that, at the greatest load that has some. Each round of three loads
/// or more has a line of its own, by Theil and Sen, and with it the share that each unit of load
/// takes of what is free without load. The load at which the limit would bind is one over that;
/// estimate and interval are Hodges and Lehmann's over rounds, as of the slopes of metrics. Refused
/// below six such rounds, where the interval holds no growth, and beyond ten times the greatest
/// load, where a straight line says nothing.
std::vector<LimitForecast> forecast_limits(std::span<const LimitPoint> points);

}  // namespace crucible::lab::scale
