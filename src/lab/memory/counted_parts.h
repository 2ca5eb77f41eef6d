#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lab/memory/memory_trial.h"

namespace crucible::lab {

// The same counts as those of owners, over all processes of the system, divided otherwise; without
// what the harness allocates for itself.

/// Blocks of one size class in one phase of a trial.
struct SizeFigures {
    std::size_t usable_from = 0;  ///< bytes that its smallest block can hold
    std::size_t usable_to = 0;    ///< and its largest: the same below 2 KiB
    double allocations = 0;
    double live_blocks = 0;  ///< when the phase's events had ended
};
/// Of phase `phase` (0-based), ascending.
std::vector<SizeFigures> size_figures(const MemoryTrial& trial, std::size_t phase);

/// What the threads of one name did in one phase, in the client processes or in the system's own.
struct ThreadFigures {
    std::string place;       ///< "client" or "system"
    std::string name;        ///< thread_group()
    double threads = 0;      ///< that did it, one after the other too
    double allocations = 0;  ///< in the phase
    double bytes = 0;
    double freed_bytes = 0;  ///< whoever had allocated it
};
/// Of phase `phase` (0-based), by place and name; those that neither allocated nor freed anything
/// are left out. Threads that used one slot of the tracker one after the other are counted with the
/// last of them.
std::vector<ThreadFigures> thread_figures(const MemoryTrial& trial, std::size_t phase);

/// What threads that share their work are called, without their numbers: "worker" of "worker-12"
/// and "io:3", but "python3" of itself; "unnamed" of nothing.
std::string thread_group(std::string_view name);

}  // namespace crucible::lab
