#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "alloc/snapshot.h"
#include "lab/run/trial.h"

namespace crucible::lab {

/// The tracker's library, to be preloaded: the one that the environment variable CRUCIBLE_ALLOC
/// names, else beside this program as it was built or installed.
/// - Errc::not_found: the message says where it was looked for.
Result<std::filesystem::path> find_tracker();

/// What one process of a trial had allocated at its quiet moments.
struct ProcessCourse {
    pid_t pid = 0;
    bool client = false;  ///< else the system's own
    /// At the moment before the first phase, then after each.
    std::vector<alloc::Snapshot> quiet;
    /// Of its memory at the same moments, what is resident and not a file's.
    std::vector<double> anonymous_bytes;
};

/// A trial whose processes count their allocations.
struct MemoryTrial {
    TrialResult trial;
    std::vector<ProcessCourse> processes;  ///< that were watched to the last quiet moment
    std::vector<std::string> missing;      ///< of which not, and why: one line each
};

/// run_trial() with `tracker` in every process that it starts. A process that cannot be watched (a
/// static or setuid program, one that others started) leaves the trial as it is, and is in
/// `missing`. `options`: its environment and on_quiet are used here.
Result<MemoryTrial> run_memory_trial(const TargetUrl& target, const SystemOptions& system,
                                     const Plan& plan, TrialOptions options,
                                     const std::filesystem::path& tracker);

}  // namespace crucible::lab
