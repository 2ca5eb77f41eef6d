#pragma once

#include <cstddef>
#include <cstdint>

#include "alloc/preload/call_stack.h"
#include "alloc/preload/tracker.h"
#include "alloc/region.h"
#include "alloc/stack_file.h"

/// Which allocations are sampled, and what is counted of those. Nothing here is on the path of an
/// allocation that is not.
namespace crucible::alloc {

/// A number. Of the same one, a thread samples the same places of its stream of bytes in each run
/// of a program, except in what it has forked. Without it they are others each time.
inline constexpr const char* kSeedVariable = "CRUCIBLE_ALLOC_SEED";

/// ThreadState::sample_at of a thread that takes none.
inline constexpr std::uint64_t kNoSamples = ~std::uint64_t{0};

/// Reads the environment; once, with the new region. Says in it what was asked for.
void prepare_samples(Region& region) noexcept;

/// What the thread has allocated, as samples are taken of it.
inline std::uint64_t sample_stream(const ThreadState& state) noexcept {
    return sample_stream(load(state.counts.bytes), load(state.counts.allocations));
}

/// For ThreadState::sample_at at first.
std::uint64_t first_sample_at() noexcept;

/// For a state that another thread has now.
void begin_thread_samples(ThreadState& state) noexcept;

/// After the fork, in the child: of what the threads of its parent knew, nothing holds.
void forget_samples(ThreadState& state) noexcept;

/// What a block says of its sample.
struct Sample {
    std::uint32_t tally = kNone;  ///< its number; kNone: the block is no sample
    std::uint64_t birth = 0;      ///< kBirthBits of it, in units of 1 << kBirthShift ticks
};

/// From a birth to now, both in kBirthBits of their units, which begin anew at their end: in units.
/// A clock that has stepped back (between processors, or where a virtual machine has moved) makes
/// nearly the whole range of it, which is taken for none: so is what lived for more than half of
/// it, some nine days.
constexpr std::uint64_t units_lived(std::uint64_t birth, std::uint64_t now) noexcept {
    constexpr std::uint64_t kHalf = std::uint64_t{1} << (kBirthBits - 1);
    const std::uint64_t units = (now - birth) & (2 * kHalf - 1);
    return units < kHalf ? units : 0;
}

/// For an allocation that was just counted, in `row` and in the state's counts.
Sample take_sample(ThreadState& state, const Row& row, std::size_t bytes,
                   const CallSite& site) noexcept;

/// For its free: the thread's row for whoever allocated it; null where it has none.
Row* end_sample(ThreadState& state, const Sample& sample, std::size_t bytes) noexcept;

}  // namespace crucible::alloc
