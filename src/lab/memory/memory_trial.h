#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "alloc/snapshot.h"
#include "alloc/stacks.h"
#include "lab/memory/stack_sums.h"
#include "lab/run/trial.h"

namespace crucible::lab {

/// The tracker's library, to be preloaded: the one that the environment variable CRUCIBLE_ALLOC
/// names, else beside this program as it was built or installed.
/// - Errc::not_found: the message says where it was looked for.
Result<std::filesystem::path> find_tracker();

/// The stacks of one process, with what it had allocated on them at the quiet moments.
struct StackCourse {
    /// Keeps what is known of the stacks' frames, though the file is gone: up to some 100 MiB.
    alloc::StacksReader reader;
    std::uint64_t mean_bytes = 0;  ///< between samples; 0: every allocation is one
    /// By the stacks' numbers: the quiet moments at which it had changed since the one before, in
    /// their order. Most stacks are of the start and never change again.
    std::vector<std::vector<std::pair<std::uint32_t, StackSums>>> changes;
    std::vector<std::vector<alloc::OwnerLifetimes>> lifetimes;  ///< at each quiet moment
    std::uint64_t without_stack = 0;  ///< samples for whose stacks there was no room

    /// Nothing at a moment at which the stack was not known yet.
    StackSums at(std::size_t moment, std::uint32_t stack) const;
};

/// What one process of a trial had allocated at its quiet moments.
struct ProcessCourse {
    pid_t pid = 0;
    bool client = false;             ///< else the system's own
    bool started_by_system = false;  ///< not by the trial: no monitor watches it
    bool ran_before = false;         ///< the trial: its peaks may be of then
    /// At the moment before the first phase, then after each.
    std::vector<alloc::Snapshot> quiet;
    /// Of its memory at the same moments, what is resident and not a file's.
    std::vector<double> anonymous_bytes;
    std::optional<StackCourse> stacks;  ///< where they were asked for and could be taken
};

/// A trial whose processes count their allocations.
struct MemoryTrial {
    TrialResult trial;
    /// That were watched to the last quiet moment; of a trial that failed, to the last one at which
    /// all lived: there may be fewer than its phases have.
    std::vector<ProcessCourse> processes;
    std::vector<std::string> missing;  ///< of which not, and why: one line each
    /// At each quiet moment, of this process itself: resident and not a file's.
    std::vector<double> own_bytes;
    /// At the same moments, what the measurement's own owners hold in all client processes; up to
    /// the first at which not all of them could be read.
    std::vector<double> worker_bytes;
};

/// The check that says that not all events of a trial have ended: what such an event holds is live,
/// and no figure of memory is of those that have. Null: they all have.
const Check* unended_events(const std::vector<Check>& checks);

/// The phases, from the first on, at whose ends all processes were watched.
std::size_t watched_phases(const MemoryTrial& trial);

struct MemoryTrialOptions {
    /// Stacks are sampled, at so many bytes from each other in the mean (0: each allocation's).
    std::optional<std::uint64_t> stack_distance = {};
    /// What each thread and owner had, and by size class, is kept of each quiet moment; else
    /// Snapshot::rows and all `classes` are empty. That is most of what is kept: not for a trial of
    /// many phases.
    bool keeps_details = true;
};

/// run_trial() with `tracker` in every process that it starts. A process that cannot be watched (a
/// static or setuid program, one that others started) leaves the trial as it is, and is in
/// `missing`. `options`: its environment and on_quiet are set here.
Result<MemoryTrial> run_memory_trial(const TargetUrl& target, const SystemOptions& system,
                                     const Plan& plan, TrialOptions options,
                                     const std::filesystem::path& tracker,
                                     const MemoryTrialOptions& watch = {});

}  // namespace crucible::lab
