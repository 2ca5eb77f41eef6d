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

/// What a thread counts with. In private memory, so that a forked process has its own.
struct ThreadState : ThreadCounters {
    Thread* slot = nullptr;
    std::array<Row*, kOwnersMax> rows{};  ///< by owner; null: it has none yet
    ThreadState* next = nullptr;          ///< of all
    ThreadState* next_free = nullptr;
    bool is_free = false;
    int rounds_left = 0;  ///< of thread-specific destructors, before it is given back
};

/// Of the calling thread; null before it allocates for the first time, and when it is about to end.
/// In the static TLS block, where it costs one instruction.
[[gnu::tls_model("initial-exec")]] extern thread_local constinit ThreadState* thread_state;

/// A state for the calling thread: its own from now on, or where the thread is ending and has given
/// its own back already, borrowed until this is destroyed.
class Attached {
public:
    Attached() noexcept;
    ~Attached();
    Attached(const Attached&) = delete;
    Attached& operator=(const Attached&) = delete;
    ThreadState& state() const noexcept { return *state_; }

private:
    ThreadState* state_;
    bool borrowed_ = false;
    int errno_;  // allocating may not change it
};

/// The state's row for that owner, made now; where there is no room, its row for owner 0. Null when
/// it has none at all: then the allocation is counted as uncounted.
Row* make_row(ThreadState& state, std::uint32_t owner) noexcept;

/// Brings the region's live bytes and peaks up to date with the row.
void flush(Row& row) noexcept;

/// For what is not counted in rows: Region says which is what.
void count_foreign_free() noexcept;
void count_stray_free(std::size_t bytes) noexcept;
void count_uncounted() noexcept;

}  // namespace crucible::alloc
