#pragma once

#include <span>
#include <string>

#include "alloc/stacks.h"
#include "lab/profile/stack_profile.h"

namespace crucible::lab {

/// What a process, of a trial or of anybody's, has allocated on each stack since its start, and
/// what of it is live: allocation_kinds(), by owner and thread. It is neither stopped nor asked.
/// `thread_names`: by index in Snapshot::threads; a thread without one is "thread N".
StackProfile process_profile(const alloc::StacksReader& reader,
                             std::span<const std::string> thread_names);

}  // namespace crucible::lab
