#pragma once

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
    /// Read where the target was looked at for what binds.
    bool at_breaking_point = false;
};

/// Where a limit would bind.
struct LimitForecast {
    LimitUse at_breaking_point;  ///< or, where nobody looked there, at the greatest load
    /// The load at which it would bind if use went on growing in a straight line. Unset where that
    /// is refused.
    std::optional<double> binds_at;
    double ci_low = 0;              ///< 95 %, with binds_at
    std::optional<double> ci_high;  ///< absent: no upper end, the growth may be slower than any
    std::string refused;            ///< why there is no forecast: "does not grow with the load"
};

/// By limit, the nearest first: those with a share by how much of the limit is used at the breaking
/// point, or, where no point is that, at the greatest load that has some. The line is fitted by
/// least squares; the interval is Fieller's (1954) for the load at which the line reaches the
/// limit, with t(.975, n - 2). Refused below three loads, where the slope's interval includes zero,
/// and beyond ten times the greatest load, where a straight line says nothing.
std::vector<LimitForecast> forecast_limits(std::span<const LimitPoint> points);

}  // namespace crucible::lab::scale
