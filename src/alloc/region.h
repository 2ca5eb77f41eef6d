#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

/// What the allocation tracker keeps about a process, in a file of shared memory that anybody may
/// map and read while it is written (docs/formats/allocations.md). No counter needs a lock: each
/// has one writer, except those that say "atomic", and only grows, except where it says so. All
/// integers in the machine's own byte order. Offsets are checked where they matter, below.
namespace crucible::alloc {

inline constexpr std::uint64_t kMagic = 0x31434f4c41435243;  // "CRCALOC1"
inline constexpr std::uint32_t kFormatVersion = 1;

/// The environment variable with the directory in which a process makes its region's file,
/// <pid>-<n>.alloc. Without it, or where no file can be made, the region is private memory.
inline constexpr const char* kDirectoryVariable = "CRUCIBLE_ALLOC_DIRECTORY";

inline constexpr std::size_t kPageBytes = 4096;
inline constexpr std::uint32_t kOwnersMax = 256;
inline constexpr std::uint32_t kThreadsMax = 4096;
inline constexpr std::uint32_t kRowsMax = 8192;

/// What the tracker puts in front of each block: 16 bytes, so that blocks stay aligned.
inline constexpr std::size_t kBlockHeaderBytes = 16;
/// What is not the program's of a chunk of glibc's: this, and the word that holds the chunk's size.
inline constexpr std::size_t kChunkOverheadBytes = kBlockHeaderBytes + sizeof(std::size_t);

/// Size classes, by the size of glibc's chunk (without what alignment beyond 16 takes in front of
/// the block): each multiple of 16 below 2 KiB, then four to a doubling.
inline constexpr std::uint32_t kSmallClasses = 128;
inline constexpr std::uint32_t kClasses = 248;
inline constexpr std::size_t kSmallChunkEnd = std::size_t{kSmallClasses} * 16;

constexpr std::uint32_t size_class(std::size_t chunk) noexcept {
    if (chunk < kSmallChunkEnd) return static_cast<std::uint32_t>(chunk / 16);
    const auto top = 63U - static_cast<std::uint32_t>(__builtin_clzll(chunk));  // 11 at 2 KiB
    const auto quarter = static_cast<std::uint32_t>(chunk >> (top - 2)) & 3U;
    const std::uint32_t index = kSmallClasses + (top - 11) * 4 + quarter;
    return index < kClasses ? index : kClasses - 1;
}

/// The smallest chunk of a class, in bytes.
constexpr std::size_t smallest_chunk(std::uint32_t index) noexcept {
    if (index < kSmallClasses) return std::size_t{index} * 16;
    const std::uint32_t beyond = index - kSmallClasses;
    return (std::size_t{4} + beyond % 4) << (11 + beyond / 4 - 2);
}

/// Of one size class, in one row.
struct Cell {
    std::uint64_t allocations = 0;
    std::uint64_t frees = 0;
};

/// What one thread allocated for one owner, and what it freed of that owner's, whoever had
/// allocated it. One page. A realloc that succeeds is an allocation of the new size and a free of
/// the old.
struct Row {
    std::uint32_t owner = 0;
    std::uint32_t thread = 0;       ///< index in Region::threads
    std::uint64_t bytes = 0;        ///< requested
    std::uint64_t freed_bytes = 0;  ///< requested of what was freed
    /// Usable bytes of chunks from kSmallChunkEnd on; those of smaller ones follow from their
    /// class.
    std::uint64_t large_usable = 0;
    std::uint64_t large_freed_usable = 0;
    /// Of `bytes - freed_bytes`: what Region::live and the owner's have of it, and the most since
    /// then. Rise and fall.
    std::int64_t flushed = 0;
    std::int64_t high = 0;
    /// Beyond these it is flushed.
    std::int64_t flush_above = 0;
    std::int64_t flush_below = 0;
    std::array<std::uint64_t, 7> reserved{};
    std::array<Cell, kClasses> cells{};
};
static_assert(sizeof(Row) == kPageBytes);

struct Owner {
    std::array<char, 32> name{};  ///< ends with a zero; empty: not registered
    std::int64_t live = 0;        ///< atomic; requested bytes, as far as flushed
    std::int64_t peak = 0;        ///< atomic
    std::int64_t slack = 0;       ///< atomic; below the peak, when its rows were last settled
    std::uint64_t rows = 0;       ///< that count for it
};
static_assert(sizeof(Owner) == 64);

/// A slot is used again by a later thread when its own has ended, with its rows, which go on
/// counting.
struct Thread {
    std::uint32_t tid = 0;        ///< 0: has ended
    std::uint32_t served = 0;     ///< threads that have used this slot
    std::array<char, 16> name{};  ///< as the thread was called when it was last looked at
    std::uint64_t reallocations = 0;
};
static_assert(sizeof(Thread) == 32);

enum Flag : std::uint32_t {
    kRowsExhausted = 1,    ///< no row was left, or no thread: see uncounted
    kOwnersExhausted = 2,  ///< some owners have no number and are counted as owner 0
    kMemoryExhausted = 4,  ///< the file system had no room for a row: see uncounted
    /// Stacks were asked for in words that say no distance: none are taken. Nothing is missing.
    kSampleRefused = 8,
};

struct Region {
    std::uint64_t magic = 0;  ///< written last: the rest is valid when this is
    std::uint32_t version = 0;
    std::uint32_t pid = 0;
    std::uint64_t bytes = 0;         ///< of the whole region
    std::uint64_t started_ns = 0;    ///< CLOCK_MONOTONIC
    std::uint64_t sample_bytes = 0;  ///< mean distance of sampled stacks; 1: all; 0: none
    std::uint32_t forked_from = 0;   ///< pid; its counts up to then are in this region's
    std::uint32_t flags = 0;         ///< atomic; Flag
    std::uint32_t owners_used = 0;   ///< atomic; numbers below it are registered
    std::uint32_t threads_used = 0;  ///< atomic; slots below it have been used
    std::uint32_t rows_used = 0;     ///< atomic; rows below it hold counts
    /// Owners that are set apart; 0: nothing is kept of the rest.
    std::uint32_t apart_used = 0;
    std::uint64_t foreign_frees = 0;  ///< atomic; blocks given back that the tracker had not seen
    /// Atomic; allocations of threads that could have no row. Neither they nor their frees are in
    /// any other count. A thread that has a row, but none for an owner, counts as owner 0.
    std::uint64_t uncounted = 0;
    /// Atomic; frees by such threads of what others had allocated: in no row, but here and in
    /// `live`.
    std::uint64_t stray_frees = 0;
    std::uint64_t stray_freed_bytes = 0;
    std::array<std::uint64_t, 4> reserved_b{};

    // On a cache line of its own: threads write it, now and then.
    std::int64_t live = 0;   ///< atomic; requested bytes, as far as flushed; rises and falls
    std::int64_t peak = 0;   ///< atomic
    std::int64_t slack = 0;  ///< atomic; below the peak, when all rows were last settled
    // The same of all owners but those set apart, once one is.
    std::int64_t rest_live = 0;
    std::int64_t rest_peak = 0;
    std::int64_t rest_slack = 0;
    std::array<std::uint64_t, 2> reserved_c{};

    /// A bit for each owner, from the lowest of the first: it is set apart.
    std::array<std::uint64_t, kOwnersMax / 64> apart{};

    std::array<std::byte, kPageBytes - 192 - kOwnersMax / 8> reserved_d{};
    std::array<Owner, kOwnersMax> owners{};
    std::array<Thread, kThreadsMax> threads{};
    std::array<Row, kRowsMax> rows{};
};
static_assert(offsetof(Region, live) == 128);
static_assert(offsetof(Region, apart) == 192);
static_assert(offsetof(Region, owners) == kPageBytes);
static_assert(offsetof(Region, rows) % kPageBytes == 0);

/// Rows are flushed into the process's and the owner's live bytes when they have moved so far from
/// the last time. Far below the peak that may be far: all of them together cannot reach it by half
/// of what was missing when they were settled, and are settled again when half of that is gone.
/// Near it, the peak can be off by the least distance for each row and one more, besides an
/// operation under way in each thread: too low where others were higher than as last flushed when a
/// row was highest, too high where they have risen since then, or fallen unseen. That is 0.6 % of
/// it in all, or 1 KiB for each.
inline constexpr std::int64_t kFlushBytesMin = 1024;
inline constexpr int kFlushShift = 8;
constexpr std::int64_t flush_distance(std::int64_t slack, std::int64_t peak,
                                      std::int64_t rows) noexcept {
    const std::int64_t part = (peak >> kFlushShift) / rows;
    const std::int64_t least = part > kFlushBytesMin ? part : kFlushBytesMin;
    const std::int64_t share = slack / (2 * rows);
    return share > least ? share : least;
}

}  // namespace crucible::alloc
