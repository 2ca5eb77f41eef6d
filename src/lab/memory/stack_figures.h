#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "alloc/stacks.h"
#include "lab/aggregate/metric.h"
#include "lab/memory/leak.h"
#include "lab/memory/memory_figures.h"
#include "lab/memory/memory_trial.h"
#include "lab/memory/stack_sums.h"
#include "lab/profile/stack_profile.h"
#include "lab/profile/symbolized_profile.h"

namespace crucible::lab {

// What a system allocated, by where in its programs. As in memory_figures.h, without what the
// harness allocates for itself; owners are named with their place: "system: database-1".

/// What was allocated in phase `phase` (0-based) of a trial on each stack, and what was live at its
/// end, over all processes of the system, whose files have one address each.
struct AllocationProfile {
    StackProfile profile;         ///< values are allocation_kinds(), of at least 0
    std::vector<StackSums> sums;  ///< of each of its samples, with how far off they may be
};
/// No samples where no stacks were taken.
AllocationProfile allocation_profile(const MemoryTrial& trial, std::size_t phase);

/// Whether what such a profile says was allocated in the phase, and is live at its end, is what the
/// counters of the same processes say: those that have stacks from their beginning. No value where
/// none has.
std::optional<Check> stacks_conserved(const MemoryTrial& trial, std::size_t phase,
                                      std::uint64_t mean_bytes);
/// Whether sums over all stacks are what was counted: within what a thread allocates between two
/// readings, and for samples `mean_bytes` apart within four standard errors.
Check stacks_conserved(const StackSums& all, const OwnerFigures& counted, std::uint64_t mean_bytes);

/// Processes of the system whose stacks are not known: forked ones, and those that had no room.
std::vector<pid_t> without_stacks(const MemoryTrial& trial);
/// "process 7 has no stacks: it was forked, …", "process 8 was forked: what it held before has no
/// stacks"; empty: all have all.
std::string why_without_stacks(const MemoryTrial& trial);

/// A place in the programs that held memory at a quiet moment.
struct StackSite {
    std::string owner;
    std::vector<std::uint64_t> stack;  ///< return addresses, innermost first
};

/// Every stack that held something after some phase, and what it held after each.
struct StackSites {
    std::vector<MappedModule> modules;
    std::vector<StackSite> sites;
    std::vector<SiteCourse> courses;  ///< of each; named by its index until somebody names it
    std::string incomplete;           ///< why some may be missing; empty: none is
};
StackSites stack_sites(const MemoryTrial& trial);

/// A site in words: "encode (event.cpp:41) < send (client.cpp:7)", the innermost functions that are
/// no allocators and not the C++ library's, at most three. Of libraries only the function
/// that the program has called: "sqlite3_step < run (sqlite.cpp:87)".
std::string describe_site(const SymbolizedProfile& profile, const SymbolizedSample& sample);
/// Every function of its stack with file and line, innermost first.
std::vector<std::string> describe_stack(const SymbolizedProfile& profile,
                                        const SymbolizedSample& sample);

/// How long blocks lived that were freed in one phase. Where not every allocation was sampled these
/// are estimates.
struct LifetimeFigures {
    std::vector<alloc::OwnerLifetimes> owners;  ///< those that freed something
    alloc::OwnerLifetimes total;
    double freed_byte_seconds = 0;  ///< bytes times the seconds that they were live
};
/// Nothing where no stacks were taken in any process of the system.
std::optional<LifetimeFigures> lifetime_figures(const MemoryTrial& trial, std::size_t phase);
/// Adds the blocks of each class; both ascend by number.
void add_lifetimes(std::vector<alloc::LifetimeClass>& to,
                   std::span<const alloc::LifetimeClass> more);
/// Seconds that a share `p` of the blocks did not outlive: within a factor of two, which is as wide
/// as a class is. Nothing where none was freed.
std::optional<double> lifetime_quantile(std::span<const alloc::LifetimeClass> classes, double p);
/// The share of blocks that lived for less than a millisecond.
double short_lived_share(std::span<const alloc::LifetimeClass> classes);

/// The metrics of lifetimes, in the order in which reports show them.
std::span<const MetricInfo> lifetime_metrics() noexcept;
/// `events`: of the phase; some were sent.
std::vector<MetricValue> lifetime_values(const LifetimeFigures& figures, const Delivery& events);

}  // namespace crucible::lab
