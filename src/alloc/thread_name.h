#pragma once

#include <sys/types.h>

#include <string>

#include "alloc/snapshot.h"

namespace crucible::alloc {

/// As the kernel calls that thread of the process now; empty where it has ended.
std::string thread_name(pid_t pid, pid_t tid);

/// Gives the threads of a snapshot of `pid` that live their names of now: the region has those of
/// such that have ended.
void name_threads(Snapshot& snapshot, pid_t pid);

}  // namespace crucible::alloc
