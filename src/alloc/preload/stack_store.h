#pragma once

#include <time.h>

#include <cstdint>

#include "alloc/preload/call_stack.h"
#include "alloc/stack_file.h"

/// The file of stacks in the watched process: found by anybody without a lock, and added to under
/// one.
namespace crucible::alloc {

/// Says that stacks are wanted, and their file is made when the first one is; false where there is
/// no room for it, or `region` has no file beside which it could be.
bool prepare_stacks(const Region& region, std::uint64_t mean_bytes) noexcept;

/// Makes the file if there is none yet. False: it cannot be made.
bool open_stacks() noexcept;

/// What every sample needs of it; written under the lock.
struct StackStore {
    StackFile* file = nullptr;      ///< at one place as long as the process lives
    const CodeMap* code = nullptr;  ///< atomic
    std::uint32_t first_number = 0;
    bool is_open = false;  ///< atomic; what is above is only of use when this is set
    /// By a tally's number, of this process and those that it was forked from.
    std::uint8_t* owners_of_numbers = nullptr;
};
extern constinit StackStore store_of_stacks;

inline bool stacks_are_open() noexcept {
    return __atomic_load_n(&store_of_stacks.is_open, __ATOMIC_ACQUIRE);
}
inline StackFile& stack_file() noexcept {
    return *store_of_stacks.file;
}
inline const CodeMap& known_code() noexcept {
    return *__atomic_load_n(&store_of_stacks.code, __ATOMIC_ACQUIRE);
}

/// The tally, by its place in the file, for what that thread allocates at that stack. 0: this pair
/// is new.
std::uint32_t find_tally(std::uint64_t hash, std::uint32_t thread) noexcept;

/// Adds it, and the stack where that is new too. Where there is no room: the one that its owner has
/// for that.
std::uint32_t add_tally(std::uint64_t hash, const CallSite& site, std::uintptr_t top,
                        std::uint32_t owner, std::uint32_t thread) noexcept;

/// Has memory set aside for the lifetimes of that row, which is the owner's. False: there is none.
bool add_lifetimes(std::uint32_t row, std::uint32_t owner) noexcept;

/// Null: there is no memory for them.
inline Lifetimes* lifetimes_of(std::uint32_t row, std::uint32_t owner) noexcept {
    constexpr std::size_t kEach = kPageBytes / sizeof(Lifetimes);
    StackFile& file = stack_file();
    const std::size_t page = row / kEach;
    const std::uint64_t used = __atomic_load_n(&file.lifetimes_used[page / 64], __ATOMIC_RELAXED);
    const bool has_memory =
        (used >> (page % 64) & 1) != 0 && file.lifetimes[row].owner_and_one != 0;
    return has_memory || add_lifetimes(row, owner) ? &file.lifetimes[row] : nullptr;
}

/// The number by which a block names the tally, in this process and those forked from it. A forked
/// process begins without stacks and with other numbers, so that it knows what is not its own.
inline std::uint32_t number_of_tally(std::uint32_t tally) noexcept {
    return store_of_stacks.first_number + tally;
}
/// kNone: it is not of this process, but of one that it was forked from.
inline std::uint32_t tally_of_number(std::uint32_t number) noexcept {
    const std::uint32_t first = store_of_stacks.first_number;
    return number < first || !stacks_are_open() ? kNone : number - first;
}
/// Also of those that are not.
inline std::uint32_t owner_of_number(std::uint32_t number) noexcept {
    return store_of_stacks.owners_of_numbers[number];
}

/// Notes what time it is, for readers to tell how long a tick is.
void note_clock() noexcept;

inline std::uint64_t clock_ticks() noexcept {
#if defined(__x86_64__)
    // A third of what asking the system costs.
    return __builtin_ia32_rdtsc();
#else
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(time.tv_nsec);
#endif
}

void stacks_before_fork() noexcept;
void stacks_after_fork_in_parent() noexcept;
void stacks_after_fork_in_child() noexcept;

}  // namespace crucible::alloc
