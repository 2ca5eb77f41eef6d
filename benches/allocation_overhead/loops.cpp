// What a single malloc, free or scope costs: loops with nothing else in them.
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "allocation_overhead/programs.h"
#include "base/clock.h"
#include "base/rng.h"
#include "crucible/allocation.h"
#include "lab/stats/robust.h"

namespace crucible::bench {
namespace {

/// The first one warms up.
constexpr std::uint64_t kBatches = 65;
constexpr std::size_t kSmallBytes = 64;
constexpr std::size_t kRingBlocks = 1024;
constexpr std::size_t kRingLeastBytes = 16;
constexpr std::size_t kRingMostBytes = 4096;
/// No multiple of the ring: a place has another size each time.
constexpr std::size_t kRingSizes = 4093;

/// The compiler can neither leave out what made `value`, nor keep anything in registers over it.
template <class Value>
[[gnu::always_inline]] inline void keep(const Value& value) {
    asm volatile("" : : "g"(value) : "memory");
}

/// The median over equal batches, so that what interrupts one of them is not in it.
template <class Batch>
double seconds_each(std::uint64_t amount, Batch batch) {
    const std::uint64_t each = amount / kBatches + 1;
    std::vector<double> all;
    all.reserve(kBatches);
    for (std::uint64_t i = 0; i < kBatches; ++i) {
        const TimePoint begin = base::monotonic_now();
        batch(each);
        const std::chrono::duration<double> spent = base::monotonic_now() - begin;
        if (i > 0) all.push_back(spent.count() / static_cast<double>(each));
    }
    return lab::stats::median(all);
}

/// A block whose first byte is written: one that is never touched is no program's.
char* touched(std::size_t bytes) {
    char* const block = static_cast<char*>(std::malloc(bytes));
    *block = 1;
    keep(block);
    return block;
}

/// As many between 16 and 32 B as between 2 and 4 KiB.
std::vector<std::size_t> ring_sizes() {
    base::Rng random(1);
    const double doublings = std::log2(static_cast<double>(kRingMostBytes / kRingLeastBytes));
    std::vector<std::size_t> sizes(kRingSizes);
    for (auto& bytes : sizes)
        bytes = static_cast<std::size_t>(kRingLeastBytes * std::exp2(doublings * random.uniform()));
    return sizes;
}

}  // namespace

Result<ProgramResult> small_pairs(std::uint64_t pairs) {
    const double seconds = seconds_each(pairs, [](std::uint64_t batch) {
        for (std::uint64_t i = 0; i < batch; ++i) std::free(touched(kSmallBytes));
    });
    return ProgramResult{seconds, pairs};
}

Result<ProgramResult> ring_pairs(std::uint64_t pairs) {
    const auto sizes = ring_sizes();
    std::array<char*, kRingBlocks> ring{};
    for (std::size_t i = 0; i < kRingBlocks; ++i) ring[i] = touched(sizes[i]);
    std::size_t size = kRingBlocks;
    std::size_t place = 0;
    const double seconds = seconds_each(pairs, [&](std::uint64_t batch) {
        for (std::uint64_t i = 0; i < batch; ++i) {
            std::free(ring[place]);
            ring[place] = touched(sizes[size]);
            place = (place + 1) % kRingBlocks;
            size = size + 1 == kRingSizes ? 0 : size + 1;
        }
    });
    for (char* const block : ring) std::free(block);
    return ProgramResult{seconds, pairs};
}

Result<ProgramResult> counter_scopes(std::uint64_t scopes) {
    std::uint64_t allocations = 0;
    const double seconds = seconds_each(scopes, [&](std::uint64_t batch) {
        for (std::uint64_t i = 0; i < batch; ++i) {
            const ThreadAllocations before = thread_allocations();
            keep(i);
            const ThreadAllocations spent = thread_allocations() - before;
            allocations += spent.allocations;
            keep(spent.bytes);
        }
    });
    if (allocations != 0)
        return std::unexpected(Error{Errc::failed, "the loop allocates, or its counters are off"});
    return ProgramResult{.seconds = seconds, .allocations = 0};
}

Result<ProgramResult> owner_scopes(std::uint64_t scopes) {
    const AllocationOwner owner("bench");
    const double seconds = seconds_each(scopes, [&](std::uint64_t batch) {
        for (std::uint64_t i = 0; i < batch; ++i) {
            const AllocationScope scope(owner);
            keep(i);
        }
    });
    return ProgramResult{.seconds = seconds, .allocations = 0};
}

}  // namespace crucible::bench
