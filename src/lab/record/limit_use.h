#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

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

}  // namespace crucible::lab
