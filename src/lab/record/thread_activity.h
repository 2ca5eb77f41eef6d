#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "lab/record/activity.h"

namespace crucible::lab {

/// What /proc/<pid>/task/<tid>/syscall says of a thread: "running", "-1 <sp> <pc>" for one that is
/// blocked outside of system calls, otherwise the call's number and arguments.
struct BlockedCall {
    bool running = false;
    bool outside = false;  ///< of any system call
    std::int64_t number = -1;
    std::uint64_t first = 0;  ///< its first three arguments
    std::uint64_t second = 0;
    std::uint64_t third = 0;
};
std::optional<BlockedCall> parse_blocked_call(std::string_view line);

/// What a thread in that call waits for. For calls that take a descriptor of any kind (read,
/// write) `descriptor` is what /proc/<pid>/fd/<first> links to ("socket:[7]", a path).
///
/// A mutex of the C library that somebody holds waits with FUTEX_WAIT for the value 2 (glibc and
/// musl: "locked, with waiters"), its condition variables with FUTEX_WAIT_BITSET: that tells
/// contention from idleness. poll() of a single descriptor is a wait for that peer.
Activity activity_of_call(const BlockedCall& call, std::string_view descriptor);
/// Whether it needs to know `descriptor`.
bool depends_on_descriptor(const BlockedCall& call) noexcept;

/// The letter of /proc/<pid>/task/<tid>/stat, where the call cannot be read: R runs, D is taken for
/// storage, of S nothing is known.
Activity activity_of_state(char state) noexcept;

}  // namespace crucible::lab
