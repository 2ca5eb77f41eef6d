#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "alloc/preload/counter.h"
#include "alloc/region.h"
#include "crucible/allocation.h"

/// The tracker in the watched process: what malloc and its kin count with. Nothing here allocates
/// from the heap, throws, or needs the C++ library: it is in programs that know nothing of it.
namespace crucible::alloc {

struct Sampler;

/// What a thread counts with. In private memory, so that a forked process has its own.
struct ThreadState : ThreadCounters {
    Thread* slot = nullptr;
    /// Allocations that bring sample_stream() of `counts` to this or beyond are looked at for a
    /// sample.
    std::uint64_t sample_at = ~std::uint64_t{0};
    std::array<Row*, kOwnersMax> rows{};  ///< by owner; null: it has none yet
    Sampler* sampler = nullptr;           ///< null: it has taken none yet
    ThreadState* next = nullptr;          ///< of all
    ThreadState* next_unused = nullptr;   ///< of those that are free, or whose threads are ending
    enum class Use : std::uint8_t { free, running, ending } use = Use::free;
    std::uint32_t tid = 0;  ///< whose it is; 0: of a thread that cannot be asked for
    int rounds_left = 0;    ///< of thread-specific destructors, before its thread is called ending
};

/// Of the calling thread, until it is no more; null before it allocates for the first time.
/// In the static TLS block, where it costs one instruction.
[[gnu::tls_model("initial-exec")]] extern thread_local constinit ThreadState* thread_state;

/// What is kept about this process; null before it allocates, and where there is no memory for it.
extern constinit Region* region;

/// The calling thread's state, made now where it has none.
class Attached {
public:
    Attached() noexcept;
    ~Attached();
    Attached(const Attached&) = delete;
    Attached& operator=(const Attached&) = delete;
    ThreadState& state() const noexcept { return *state_; }

private:
    ThreadState* state_;
    int errno_;  // allocating may not change it
};

/// The state's row for that owner, made now; where there is no room, its row for owner 0. Null when
/// it has none at all: then the allocation is counted as uncounted.
Row* make_row(ThreadState& state, std::uint32_t owner) noexcept;

inline Row* row_of(ThreadState& state, std::uint32_t owner) noexcept {
    Row* const row = state.rows[owner];
    return row != nullptr ? row : make_row(state, owner);
}

/// Brings the region's live bytes and peaks up to date with the row.
void flush(Row& row) noexcept;

/// Makes the rest all that there is so far: before the first owner is set apart, under the lock.
void begin_rest() noexcept;

/// For a process that forks: what its region has, for the child's, under the lock. Rows go on to
/// change meanwhile. What was freed, in all of them, is taken before what was allocated: what one
/// thread allocates, another may free, and nothing is to be taken as freed that is not as
/// allocated. What the region and its owners have of the rows follows from these, in begin_live().
void copy_counts(Region& to, const Region& from) noexcept;

/// Makes live bytes and peaks what the rows have: of a forked process, whose parent's other threads
/// were in the middle of bringing them up to date. While nobody else writes.
void begin_live() noexcept;

/// For what is not counted in rows: Region says which is what.
void count_foreign_free() noexcept;
void count_stray_free(std::size_t bytes) noexcept;
void count_uncounted() noexcept;

}  // namespace crucible::alloc
