// The malloc family, in the place of glibc's, which it calls. What stands before a block says whose
// it is and how large it was asked to be, so that its free is taken off where its allocation was
// counted, whichever thread frees it.
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bit>

#include "alloc/preload/sampler.h"
#include "alloc/preload/tracker.h"

extern "C" {
// glibc's own, under the names that nobody replaces.
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* block, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
void __libc_free(void* block);
}

namespace crucible::alloc {
namespace {

/// Right before each block.
struct BlockHeader {
    /// Requested bytes * 256 + owner; of a sample, requested bytes * 2^24 + the lower bits of its
    /// birth.
    std::uint64_t size_and_owner;
    /// A Kind in the upper 16 bits. glibc's chunk size is in its place before a block that is not
    /// ours, and has zeros there. In the lowest 8 of a block that is aligned to more than 16: the
    /// binary logarithm of how far before it begins what glibc gave. Between them, of a sample, its
    /// tally's number and the upper bits of its birth.
    std::uint64_t kind_and_shift;
};
static_assert(sizeof(BlockHeader) == kBlockHeaderBytes);

enum Kind : std::uint64_t {
    kCounted = 0xa10c,
    kCountedAligned = 0xa10d,
    kUncounted = 0xa10e,
    kSampled = 0xa10f,
};

constexpr unsigned kPlainShift = 4;
constexpr std::size_t kAlignment = 16;
/// What leaves room for the owner beside the size; glibc cannot give as much anyway.
constexpr std::size_t kBytesMax = std::size_t{1} << 46;

BlockHeader& header_of(void* block) noexcept {
    return static_cast<BlockHeader*>(block)[-1];
}
/// Each word for itself: the processor cannot give back both at once while they are still on their
/// way from being written.
BlockHeader copy_of_header(void* block) noexcept {
    const BlockHeader& header = header_of(block);
    return {load(header.size_and_owner), load(header.kind_and_shift)};
}
Kind kind_of(const BlockHeader& header) noexcept {
    return static_cast<Kind>(header.kind_and_shift >> 48);
}
bool is_ours(const BlockHeader& header) noexcept {
    return header.kind_and_shift >> 48 >= kCounted && header.kind_and_shift >> 48 <= kSampled;
}
unsigned shift_of(const BlockHeader& header) noexcept {
    return header.kind_and_shift & 0xff;
}

constexpr unsigned kLowBirthBits = 64 - kSampledBytesBits;
constexpr std::uint64_t low_bits(std::uint64_t word, unsigned bits) noexcept {
    return word & ((std::uint64_t{1} << bits) - 1);
}
static_assert(16 + kTallyBits + (kBirthBits - kLowBirthBits) + 8 == 64);

BlockHeader sampled_header(const Sample& sample, std::size_t bytes, unsigned shift) noexcept {
    return {bytes << kLowBirthBits | low_bits(sample.birth, kLowBirthBits),
            kSampled << 48 | std::uint64_t{sample.tally} << (48 - kTallyBits) |
                sample.birth >> kLowBirthBits << 8 | shift};
}
Sample sample_of(const BlockHeader& header) noexcept {
    const std::uint64_t word = header.kind_and_shift;
    return {static_cast<std::uint32_t>(low_bits(word >> (48 - kTallyBits), kTallyBits)),
            low_bits(word >> 8, 40 - kTallyBits) << kLowBirthBits |
                low_bits(header.size_and_owner, kLowBirthBits)};
}
std::size_t requested_bytes(const BlockHeader& header) noexcept {
    return header.size_and_owner >> (kind_of(header) == kSampled ? kLowBirthBits : 8);
}

void* real_start(void* block, const BlockHeader& header) noexcept {
    return static_cast<char*>(block) - (std::size_t{1} << shift_of(header));
}

/// glibc's word before what it gave: the chunk's size, and flags in the lowest four bits.
std::size_t chunk_word(const void* real) noexcept {
    return static_cast<const std::size_t*>(real)[-1];
}
/// The chunk with the one word of its size: the next chunk's first word is its last, except where
/// it has a mapping for itself (flag 2). Without what alignment takes in front of the block.
std::size_t chunk_bytes(std::size_t word, unsigned shift) noexcept {
    return (word & ~std::size_t{7}) - ((word & 2) << 2) -
           ((std::size_t{1} << shift) - kBlockHeaderBytes);
}

void* refused() noexcept {
    errno = ENOMEM;
    return nullptr;
}

/// For what is not ours. A block of ours that was freed has in its header what glibc keeps in a
/// free chunk, a random key: taken for a chunk's size it would lead glibc astray, instead of
/// stopping the program as it does for its own blocks. A size has zeros there.
void check_foreign(const BlockHeader& header, const char* otherwise) noexcept {
    if (header.kind_and_shift >> 48 == 0) [[likely]]
        return;
    (void)!::write(STDERR_FILENO, otherwise, ::strlen(otherwise));
    ::abort();
}

/// Counts by the chunk in its row.
[[gnu::always_inline]] inline void count_chunk(Row& row, std::size_t word, unsigned shift,
                                               std::uint64_t Cell::*counter,
                                               std::uint64_t Row::*usable) noexcept {
    const std::size_t chunk = chunk_bytes(word, shift);
    add(row.cells[size_class(chunk)].*counter, 1);
    if (chunk >= kSmallChunkEnd) add(row.*usable, chunk - kChunkOverheadBytes);
}

std::int64_t live_bytes(const Row& row) noexcept {
    return static_cast<std::int64_t>(load(row.bytes) - load(row.freed_bytes));
}

void* write_header(void* real, std::uint64_t kind, std::uint32_t owner, std::size_t bytes,
                   unsigned shift) noexcept {
    char* const block = static_cast<char*>(real) + (std::size_t{1} << shift);
    header_of(block) = {bytes << 8 | owner, kind << 48 | shift};
    return block;
}

bool sample_is_due(const ThreadState& state) noexcept {
    return sample_stream(state) >= load(state.sample_at);
}

/// The block, which was counted.
[[gnu::always_inline]] inline void* sampled_if_due(ThreadState& state, Row& row, void* block,
                                                   std::size_t bytes, unsigned shift,
                                                   const CallSite& site) noexcept {
    if (!sample_is_due(state)) return block;
    const Sample sample = take_sample(state, row, bytes, site);
    if (sample.tally != kNone) header_of(block) = sampled_header(sample, bytes, shift);
    return block;
}

/// Of any block, in any thread. What is further below is the same for the usual case, without calls
/// that come back, for which it would have to keep registers.
void* count_allocation(ThreadState& state, void* real, std::size_t bytes, unsigned shift,
                       const CallSite& site) noexcept {
    Row* const row = row_of(state, state.owner);
    if (row == nullptr) {
        count_uncounted();
        return write_header(real, kUncounted, 0, bytes, shift);
    }
    count_chunk(*row, chunk_word(real), shift, &Cell::allocations, &Row::large_usable);
    add(row->bytes, bytes);
    add(state.counts.allocations, 1);
    add(state.counts.bytes, bytes);
    if (const std::int64_t live = live_bytes(*row); live > load(row->high)) {
        store(row->high, live);
        if (live > load(row->flush_above)) flush(*row);
    }
    void* const block = write_header(real, shift == kPlainShift ? kCounted : kCountedAligned,
                                     row->owner, bytes, shift);
    return sampled_if_due(state, *row, block, bytes, shift, site);
}

/// Only as the last act of an exported function, or of one that was: see call_site().
[[gnu::noinline]] void* count_any_allocation(void* real, std::size_t bytes) noexcept {
    const CallSite site = call_site();
    // As Attached has it, without the trouble about errno: what is slow below keeps it.
    if (ThreadState* const state = thread_state; state != nullptr)
        return count_allocation(*state, real, bytes, kPlainShift, site);
    const Attached attached;
    return count_allocation(attached.state(), real, bytes, kPlainShift, site);
}

// Only as the last act, as above: of a block that was counted, what it may need besides.
[[gnu::noinline]] void* sampled(ThreadState& state, Row& row, void* block,
                                std::size_t bytes) noexcept {
    return sampled_if_due(state, row, block, bytes, kPlainShift, call_site());
}
[[gnu::noinline]] void* flushed(ThreadState& state, Row& row, void* block,
                                std::size_t bytes) noexcept {
    const CallSite site = call_site();
    flush(row);
    return sampled_if_due(state, row, block, bytes, kPlainShift, site);
}

/// Counts it but for its size class.
[[gnu::always_inline]] inline void* count_plain(ThreadState& state, Row& row, void* real,
                                                std::size_t bytes) noexcept {
    add(row.bytes, bytes);
    add(state.counts.allocations, 1);
    add(state.counts.bytes, bytes);
    void* const block = write_header(real, kCounted, row.owner, bytes, kPlainShift);
    if (const std::int64_t live = live_bytes(row); live > load(row.high)) [[unlikely]] {
        store(row.high, live);
        if (live > load(row.flush_above)) return flushed(state, row, block, bytes);
    }
    if (sample_is_due(state)) [[unlikely]]
        return sampled(state, row, block, bytes);
    return block;
}

[[gnu::noinline]] void* count_large(ThreadState& state, Row& row, void* real,
                                    std::size_t bytes) noexcept {
    count_chunk(row, chunk_word(real), kPlainShift, &Cell::allocations, &Row::large_usable);
    return count_plain(state, row, real, bytes);
}

[[gnu::always_inline]] inline void* allocated(void* real, std::size_t bytes) noexcept {
    if (real == nullptr) [[unlikely]]
        return nullptr;  // errno is set
    ThreadState* const state = thread_state;
    if (state == nullptr) [[unlikely]]
        return count_any_allocation(real, bytes);
    Row* const row = state->rows[state->owner];
    const std::size_t word = chunk_word(real);
    if (row == nullptr) [[unlikely]]
        return count_any_allocation(real, bytes);
    if (word >= kSmallChunkEnd) [[unlikely]]
        return count_large(*state, *row, real, bytes);
    add(row->cells[word / 16].allocations, 1);
    return count_plain(*state, *row, real, bytes);
}

/// Of a block that was counted, with the word before what glibc gave.
void count_any_free(ThreadState& state, const BlockHeader& header, std::size_t word) noexcept {
    const std::size_t bytes = requested_bytes(header);
    Row* const row = kind_of(header) == kSampled
                         ? end_sample(state, sample_of(header), bytes)
                         : row_of(state, static_cast<std::uint32_t>(header.size_and_owner & 0xff));
    if (row == nullptr) return count_stray_free(bytes);
    count_chunk(*row, word, shift_of(header), &Cell::frees, &Row::large_freed_usable);
    add(row->freed_bytes, bytes);
    if (live_bytes(*row) < load(row->flush_below)) flush(*row);
}

/// Any block, in any thread.
[[gnu::noinline]] void free_any(void* block) noexcept {
    const BlockHeader header = copy_of_header(block);
    if (!is_ours(header)) {
        check_foreign(header, "free(): double free or invalid pointer\n");
        // glibc says what is to be said of it.
        count_foreign_free();
        return ::__libc_free(block);
    }
    void* const real = real_start(block, header);
    if (ThreadState* const state = thread_state; state != nullptr) {
        if (kind_of(header) != kUncounted) count_any_free(*state, header, chunk_word(real));
    } else if (kind_of(header) != kUncounted) {
        const Attached attached;
        count_any_free(attached.state(), header, chunk_word(real));
    }
    ::__libc_free(real);
}

[[gnu::noinline]] void flush_and_free(Row& row, void* real) noexcept {
    flush(row);
    ::__libc_free(real);
}

[[gnu::always_inline]] inline void free_plain(Row& row, std::size_t bytes, void* real) noexcept {
    add(row.freed_bytes, bytes);
    if (live_bytes(row) < load(row.flush_below)) [[unlikely]]
        return flush_and_free(row, real);
    ::__libc_free(real);
}

[[gnu::noinline]] void free_large(Row& row, std::size_t bytes, void* real) noexcept {
    count_chunk(row, chunk_word(real), kPlainShift, &Cell::frees, &Row::large_freed_usable);
    free_plain(row, bytes, real);
}

[[gnu::always_inline]] inline void free_block(void* block) noexcept {
    if (block == nullptr) return;
    const BlockHeader header = header_of(block);
    ThreadState* const state = thread_state;
    if (kind_of(header) != kCounted || state == nullptr) [[unlikely]]
        return free_any(block);
    char* const real = static_cast<char*>(block) - kBlockHeaderBytes;
    Row* const row = state->rows[header.size_and_owner & 0xff];
    const std::size_t word = chunk_word(real);
    if (row == nullptr) [[unlikely]]
        return free_any(block);
    const std::size_t bytes = header.size_and_owner >> 8;
    if (word >= kSmallChunkEnd) [[unlikely]]
        return free_large(*row, bytes, real);
    add(row->cells[word / 16].frees, 1);
    free_plain(*row, bytes, real);
}

[[gnu::always_inline]] inline void* plain(std::size_t bytes) noexcept {
    std::size_t with_header = 0;
    if (__builtin_add_overflow(bytes, kBlockHeaderBytes, &with_header)) [[unlikely]]
        return refused();
    return allocated(::__libc_malloc(with_header), bytes);
}

/// `alignment` a power of two.
void* aligned(std::size_t alignment, std::size_t bytes, const CallSite& site) noexcept {
    if (bytes > kBytesMax || alignment > kBytesMax) return refused();
    if (alignment < kAlignment) alignment = kAlignment;
    void* const real = alignment == kAlignment ? ::__libc_malloc(bytes + kBlockHeaderBytes)
                                               : ::__libc_memalign(alignment, bytes + alignment);
    if (real == nullptr) return nullptr;
    const Attached attached;
    return count_allocation(attached.state(), real, bytes,
                            static_cast<unsigned>(std::countr_zero(alignment)), site);
}

void* resized(void* block, std::size_t bytes, const CallSite& site) noexcept {
    const BlockHeader header = header_of(block);
    if (!is_ours(header)) {
        check_foreign(header, "realloc(): freed block or invalid pointer\n");
        return ::__libc_realloc(block, bytes);
    }
    if (bytes > kBytesMax) return refused();
    void* const real = real_start(block, header);
    const std::size_t before = requested_bytes(header);
    const Attached attached;
    // Once it has succeeded the chunk is gone that tells the size class.
    const std::size_t word = chunk_word(real);
    void* moved = nullptr;
    if (shift_of(header) == kPlainShift) {
        moved = ::__libc_realloc(real, bytes + kBlockHeaderBytes);
    } else if ((moved = ::__libc_malloc(bytes + kBlockHeaderBytes)) != nullptr) {
        // glibc would move what stands before it, but not to an aligned place again.
        ::memcpy(static_cast<char*>(moved) + kBlockHeaderBytes, block,
                 bytes < before ? bytes : before);
        ::__libc_free(real);
    }
    if (moved == nullptr) return nullptr;
    add(attached.state().slot->reallocations, 1);
    // The free first: what both held together was never asked for.
    if (kind_of(header) != kUncounted) count_any_free(attached.state(), header, word);
    return count_allocation(attached.state(), moved, bytes, kPlainShift, site);
}

}  // namespace
}  // namespace crucible::alloc

using namespace crucible::alloc;

extern "C" {
#pragma GCC visibility push(default)

void* malloc(std::size_t bytes) noexcept {
    return plain(bytes);
}

void free(void* block) noexcept {
    free_block(block);
}

void* calloc(std::size_t count, std::size_t each) noexcept {
    std::size_t bytes = 0;
    if (__builtin_mul_overflow(count, each, &bytes) || bytes > kBytesMax) return refused();
    return allocated(::__libc_calloc(1, bytes + kBlockHeaderBytes), bytes);
}

void* realloc(void* block, std::size_t bytes) noexcept {
    if (block == nullptr) return plain(bytes);
    if (bytes == 0) {
        free_block(block);
        return nullptr;
    }
    return resized(block, bytes, call_site());
}

void* reallocarray(void* block, std::size_t count, std::size_t each) noexcept {
    std::size_t bytes = 0;
    if (__builtin_mul_overflow(count, each, &bytes)) return refused();
    return realloc(block, bytes);
}

void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
    if (alignment > SIZE_MAX / 2 + 1) {
        errno = EINVAL;
        return nullptr;
    }
    // As glibc does, of what is no power of two.
    return aligned(std::bit_ceil(alignment), bytes, call_site());
}

void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
    return memalign(alignment, bytes);
}

int posix_memalign(void** block, std::size_t alignment, std::size_t bytes) noexcept {
    if (alignment % sizeof(void*) != 0 || !std::has_single_bit(alignment)) return EINVAL;
    void* const made = aligned(alignment, bytes, call_site());
    if (made == nullptr) return ENOMEM;
    *block = made;
    return 0;
}

void* valloc(std::size_t bytes) noexcept {
    return aligned(static_cast<std::size_t>(::getpagesize()), bytes, call_site());
}

void* pvalloc(std::size_t bytes) noexcept {
    const auto page = static_cast<std::size_t>(::getpagesize());
    if (bytes > kBytesMax) return refused();
    return aligned(page, (bytes + page - 1) / page * page, call_site());
}

std::size_t malloc_usable_size(void* block) noexcept {
    if (block == nullptr) return 0;
    const BlockHeader& header = header_of(block);
    if (!is_ours(header)) return chunk_bytes(chunk_word(block), kPlainShift) - sizeof(std::size_t);
    return chunk_bytes(chunk_word(real_start(block, header)), shift_of(header)) -
           kChunkOverheadBytes;
}

#pragma GCC visibility pop
}
