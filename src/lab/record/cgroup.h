#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crucible/error.h"
#include "crucible/time.h"
#include "lab/record/cgroup_directories.h"
#include "lab/record/pressure.h"

namespace crucible::lab {

/// A limit that the kernel sets to a cgroup.
struct CgroupLimit {
    std::optional<double> value;  ///< absent: there is none, or it cannot be read
    bool unlimited = false;       ///< there is none, on no level
    std::string why_absent;       ///< "no limit", or why it cannot be read
};

/// The tightest of the levels from the process's own cgroup up to the topmost that is visible.
struct CgroupLimits {
    CgroupLimit memory_max_bytes;   ///< beyond it the kernel kills
    CgroupLimit memory_high_bytes;  ///< beyond it the kernel slows down and reclaims
    CgroupLimit cpu_max_cores;      ///< quota / period
    CgroupLimit pids_max;           ///< processes and threads
};

/// How often a CPU limit stopped a cgroup, since it was made.
struct CgroupThrottling {
    std::uint64_t periods = 0;  ///< in which it used its quota up
    Duration stopped{};         ///< summed over the cores it was stopped on
};

/// What a cgroup uses now: of the level whose limit is the tightest, or of the process's own where
/// no level has one.
struct CgroupReading {
    Result<std::uint64_t> memory_bytes;
    Result<std::uint64_t> pids;
    /// How often the kernel had to reclaim for it to stay below its limit, since it was made.
    Result<std::uint64_t> limit_hits;
    /// Of all levels with a limit together; Errc::not_found where no level has one.
    Result<CgroupThrottling> throttling;
    Result<Pressure> cpu;  ///< of the process's own cgroup; version 2 alone has it
    Result<Pressure> memory;
    Result<Pressure> io;
};

/// The cgroups of a process, read again and again. Not thread-safe.
class Cgroup {
public:
    /// Where the process is now: it is not followed when it is moved. Errors of find_cgroup().
    static Result<Cgroup> find(pid_t pid, const std::filesystem::path& root = "/");

    const CgroupDirectories& where() const noexcept { return where_; }
    /// As they were when it was found.
    const CgroupLimits& limits() const noexcept { return limits_; }
    CgroupReading read() const;

private:
    explicit Cgroup(CgroupDirectories where) : where_(std::move(where)) {}
    void read_memory_limits();
    void read_cpu_limits();
    void read_pids_limit();
    Result<CgroupThrottling> read_throttling() const;
    Result<std::uint64_t> read_limit_hits() const;
    Result<Pressure> read_pressure_of(const char* file) const;

    CgroupDirectories where_;
    CgroupLimits limits_;
    std::filesystem::path memory_current_;  ///< files that say the use; empty where there is none
    std::filesystem::path pids_current_;
    std::vector<std::filesystem::path> cpu_limited_;  ///< levels with a CPU limit
};

}  // namespace crucible::lab
