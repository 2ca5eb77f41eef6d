#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"

namespace crucible::lab {

/// A limit that the machine sets, and what is used of it.
struct LimitUse {
    std::string name;   ///< "descriptors", "threads", "memory", "socket_buffers", "disk"
    std::string kind;   ///< "RLIMIT_NOFILE", "pids.max", ...: the same at every load
    std::string whose;  ///< "pid 71", "cgroup /system.slice", "the machine"
    std::string unit;   ///< "1" or "B"
    std::optional<double> used;
    std::optional<double> limit;  ///< absent: there is none, or it cannot be read
    std::string why_absent;       ///< set where `used` or `limit` is absent

    /// used / limit; absent where either is.
    std::optional<double> share() const;
};

/// Reads what these processes use now of every limit; several of one name where several limits can
/// bind (memory: RLIMIT_AS, the cgroup's, the machine's). Of limits of a single process the one
/// that is nearest to its limit. `data_directory`: on whose file system there has to be room; none:
/// disk is absent. `root`: where proc/ and the cgroups are. A process that is gone is left out.
std::vector<LimitUse> read_limits(std::span<const pid_t> pids,
                                  const std::optional<std::filesystem::path>& data_directory,
                                  const std::filesystem::path& root = "/");

/// What was in use at one load.
struct LimitPoint {
    double load = 0;
    std::vector<LimitUse> uses;  ///< of read_limits(), at that load
};

/// Where a limit would bind.
struct LimitForecast {
    LimitUse at_breaking_point;  ///< as of the greatest load
    /// The load at which it would bind if use went on growing in a straight line. Unset where that
    /// is refused.
    std::optional<double> binds_at;
    double ci_low = 0;              ///< 95 %, with binds_at
    std::optional<double> ci_high;  ///< absent: no upper end, the growth may be slower than any
    std::string refused;            ///< why there is no forecast: "does not grow with the load"
};

/// By limit, the nearest first: those with a share by how much of the limit is used at the greatest
/// load. The line is fitted by least squares; the interval is Fieller's (1954) for the load at
/// which the line reaches the limit, with t(.975, n - 2). Refused below three loads, where the
/// slope's interval includes zero, and beyond ten times the greatest load, where a straight line
/// says nothing.
std::vector<LimitForecast> forecast_limits(std::span<const LimitPoint> points);

}  // namespace crucible::lab
