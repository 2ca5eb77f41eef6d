#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "alloc/region.h"

/// Where a process's sampled allocations come from: a sparse file beside the region's, of the same
/// name with ".stacks" at its end, that anybody may map and read while it is written
/// (docs/design/allocation-stacks.md). As in the region, counters only grow, and what is below a
/// `…_used` does not change any more, except counters. Integers and IEEE doubles in the machine's
/// own byte order.
namespace crucible::alloc {

/// The environment variable that has stacks sampled: "all", or how many bytes of sample_stream()
/// lie between two sample points in the mean ("512KiB"; "B", "KiB", "MiB" and "GiB").
inline constexpr const char* kSampleVariable = "CRUCIBLE_ALLOC_SAMPLE";

inline constexpr std::uint64_t kStacksMagic = 0x314b545343435243;  // "CRCCSTK1"
inline constexpr std::uint32_t kStacksVersion = 1;

inline constexpr std::uint32_t kFramesMax = 64;
inline constexpr std::uint32_t kStacksMax = 1U << 17;
inline constexpr std::uint32_t kTalliesMax = 1U << 18;
inline constexpr std::uint32_t kPcsMax = 1U << 22;
inline constexpr std::uint32_t kMapsMax = 64;
inline constexpr std::size_t kMapsBytes = std::size_t{8} << 20;
inline constexpr std::size_t kRawPoolBytes = std::size_t{64} << 20;
/// Of one stack, from its innermost frame on.
inline constexpr std::size_t kRawBytesMax = std::size_t{16} << 10;

/// Sample points lie in a stream in which each block has so many bytes more than were requested:
/// the least that one takes of glibc's heap. Without them a block of one byte would be a sample so
/// rarely, and then stand for so many, that no count of small blocks could be told.
inline constexpr std::uint64_t kSampleBlockBytes = 32;
constexpr std::uint64_t sample_stream(std::uint64_t bytes, std::uint64_t blocks) noexcept {
    return bytes + blocks * kSampleBlockBytes;
}

/// What numbers of threads, mappings and saved stacks say for "none".
inline constexpr std::uint32_t kNone = ~std::uint32_t{0};

/// Sums over samples, each weighted so that the sum estimates what all allocations would give
/// (Horvitz and Thompson): 1/p for counts, n/p for bytes, and what their variances are estimated
/// with; p = 1 - exp(-(n + kSampleBlockBytes)/StackFile::mean_bytes). Atomic doubles. Only where
/// samples are taken by bytes; where every allocation is one, the plain counts are exact.
struct Weighted {
    double count = 0;
    double bytes = 0;
    double count_variance = 0;  ///< (1-p)/p²
    double bytes_variance = 0;  ///< n²(1-p)/p²
};

/// Frees of samples.
struct Freed {
    std::uint64_t frees = 0;
    std::uint64_t bytes = 0;
    double byte_ticks = 0;  ///< weighted bytes times how long they lived
};

/// What one thread allocated at one stack. The first cache line is all that a thread writes for
/// blocks that it frees itself, where every allocation is sampled.
struct Tally {
    std::uint32_t stack = 0;
    std::uint32_t thread = 0;  ///< index in Region::threads; kNone: any thread, and all is atomic
    std::uint32_t owner = 0;   ///< the stack's
    std::uint32_t next = 0;    ///< tally of the same stack; 0: none
    std::uint64_t allocations = 0;
    std::uint64_t bytes = 0;
    Freed freed;  ///< by the same thread
    std::uint64_t reserved_a = 0;
    Freed freed_elsewhere;  ///< atomic; by other threads
    std::array<std::uint64_t, 5> reserved_b{};
    Weighted allocated_weighted;
    Weighted freed_weighted;
};
static_assert(sizeof(Tally) == 192);
static_assert(offsetof(Tally, freed_elsewhere) == 64);

/// One distinct stack of one owner.
struct StackEntry {
    std::uint64_t hash = 0;
    std::uint32_t owner = 0;
    std::uint32_t frames = 0;
    std::uint32_t first_pc = 0;  ///< index in StackFile::pcs, innermost first
    std::uint32_t maps = 0;      ///< index in StackFile::maps: the mappings when it was new
    std::uint32_t raw = kNone;   ///< offset of its RawStack in StackFile::raw, divided by 16
    std::uint32_t tallies = 0;   ///< atomic; the newest of its tallies; 0: none
    /// From the innermost frame's end to the top of the thread's stack; 0: it was not on that.
    std::uint64_t depth_bytes = 0;
    std::array<std::uint64_t, 3> reserved{};
};
static_assert(sizeof(StackEntry) == 64);

/// The registers as they are once malloc has returned, and the memory from `sp` on: what it takes
/// to find the frames of code without frame pointers.
struct RawStack {
    std::uint64_t pc = 0;
    std::uint64_t sp = 0;
    std::uint64_t bp = 0;
    std::uint32_t stack = 0;
    std::uint32_t bytes = 0;  ///< that follow
};
static_assert(sizeof(RawStack) == 32);

/// /proc/self/maps at one time.
struct Maps {
    std::uint32_t offset = 0;  ///< in StackFile::maps_text
    std::uint32_t bytes = 0;
};

/// How long samples of an owner lived, as counted by the thread that freed them: by the binary
/// logarithm of ticks, in units of 1/kLifetimeUnit, weighted with 1/p. Of the Row of the same
/// index.
struct Lifetimes {
    std::uint64_t owner_and_one = 0;  ///< 0: nothing is counted yet
    std::array<std::uint64_t, 63> counts{};
};
inline constexpr std::uint64_t kLifetimeUnit = 65536;
inline constexpr std::size_t kLifetimePages = kRowsMax * sizeof(Lifetimes) / kPageBytes;

/// A time in ticks and in CLOCK_MONOTONIC.
struct ClockPair {
    std::uint64_t ticks = 0;
    std::uint64_t ns = 0;
};

/// Ticks are those of the processor's time-stamp counter (elsewhere nanoseconds).
struct StackFile {
    std::uint64_t magic = 0;  ///< written last
    std::uint32_t version = 0;
    std::uint32_t pid = 0;
    std::uint64_t bytes = 0;  ///< of the whole file
    /// Between sample points, in sample_stream(); 0: every allocation is sampled.
    std::uint64_t mean_bytes = 0;
    /// The number of tallies[0] as blocks name it: in a forked process the first one that its
    /// parent did not have.
    std::uint32_t first_tally = 0;
    std::uint32_t reserved_a = 0;
    ClockPair begun;
    ClockPair seen;                  ///< later; changes while clock_writes is odd
    std::uint64_t clock_writes = 0;  ///< atomic
    std::uint32_t stacks_used = 0;   ///< atomic, as all below
    std::uint32_t tallies_used = 0;
    std::uint32_t pcs_used = 0;
    std::uint32_t maps_used = 0;
    std::uint64_t raw_used = 0;        ///< bytes
    std::uint64_t raw_not_saved = 0;   ///< stacks whose memory there was no room for
    std::uint64_t maps_not_saved = 0;  ///< times
    std::array<std::uint64_t, 3> reserved_b{};
    std::array<Maps, kMapsMax> maps{};
    /// Atomic; a bit for each page of `lifetimes` that is in use. Others may have no memory.
    std::array<std::uint64_t, kLifetimePages / 64> lifetimes_used{};
    std::array<std::byte, kPageBytes - 144 - sizeof(Maps) * kMapsMax - kLifetimePages / 8>
        reserved_c{};

    std::array<std::array<char, 32>, kOwnersMax> owners{};  ///< names, of those that have stacks
    std::array<Lifetimes, kRowsMax> lifetimes{};
    /// The first kOwnersMax of both are for what there is no room for, by owner: without frames.
    std::array<StackEntry, kStacksMax> stacks{};
    std::array<Tally, kTalliesMax> tallies{};
    std::array<std::uint64_t, kPcsMax> pcs{};
    std::array<char, kMapsBytes> maps_text{};
    std::array<std::byte, kRawPoolBytes> raw{};
};
static_assert(offsetof(StackFile, owners) == kPageBytes);
static_assert(offsetof(StackFile, lifetimes) % kPageBytes == 0);
static_assert(offsetof(StackFile, stacks) % kPageBytes == 0);
static_assert(offsetof(StackFile, tallies) % kPageBytes == 0);
static_assert(offsetof(StackFile, raw) % kPageBytes == 0);

/// What the header of a sampled block holds: bytes, the number of its tally, and its birth in units
/// of 256 ticks.
inline constexpr unsigned kSampledBytesBits = 40;
inline constexpr unsigned kTallyBits = 20;
inline constexpr unsigned kBirthBits = 44;
inline constexpr unsigned kBirthShift = 8;

}  // namespace crucible::alloc
