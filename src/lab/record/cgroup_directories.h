#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "crucible/error.h"

namespace crucible::lab {

/// Where one controller keeps its files for a process.
struct CgroupLevels {
    /// From the process's own cgroup up to the topmost that is visible here.
    std::vector<std::filesystem::path> directories;
    bool v2 = false;         ///< files of version 2, not of version 1
    std::string why_absent;  ///< set where there are no directories

    friend bool operator==(const CgroupLevels&, const CgroupLevels&) = default;
};

/// The cgroups of a process: in version 2 all controllers have the same directories; in version 1,
/// and for some of them in the hybrid of both, each has its own.
struct CgroupDirectories {
    /// "/system.slice/nginx.service": of version 2 where the process has more than the topmost
    /// there, otherwise of the memory controller.
    std::string name;
    std::string version;  ///< "v2", "v1" or "hybrid"
    CgroupLevels memory;
    CgroupLevels cpu;
    CgroupLevels pids;
    std::filesystem::path v2;  ///< of version 2; empty where there is none

    friend bool operator==(const CgroupDirectories&, const CgroupDirectories&) = default;
};

/// `root`: where proc/ and what its mountinfo names are.
/// - Errc::not_found: no such process. - Errc::permission_denied.
/// - Errc::unsupported: no cgroups here, or none of the process's is visible.
Result<CgroupDirectories> find_cgroup(pid_t pid, const std::filesystem::path& root);

}  // namespace crucible::lab
