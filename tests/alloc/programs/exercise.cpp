// exercise SEED CALLS THREADS [live]: calls the whole malloc family at random, and prints what it
// has called, for the tracker's counts to be compared with: "calls allocations frees bytes
// freed_bytes live_bytes peak_low peak_high largest reallocations padded_bytes padded_live
// padded_peak". Padded: where a block of no bytes counts as one. `live`: then waits for the end of
// its standard input. It counts in the scope "exercise" and prints outside it.
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <new>

#include "crucible/allocation.h"

namespace {

constexpr std::size_t kSlots = 4096;
constexpr std::size_t kThreadsMax = 64;

enum class By { malloc, scalar_new, array_new, aligned_new };

struct Slot {
    std::atomic<bool> taken = false;
    void* block = nullptr;
    std::size_t bytes = 0;
    std::size_t alignment = 16;
    By by = By::malloc;
};
Slot slots[kSlots];

struct alignas(64) Expected {
    std::uint64_t calls = 0, allocations = 0, frees = 0, bytes = 0, freed = 0, reallocations = 0;
    std::size_t largest = 0;
};
Expected expected[kThreadsMax];

// The truth about the peak, as far as there is one while threads run beside each other: raised
// before an allocation and lowered before a free, it is never above; after them, never below.
struct Course {
    std::atomic<std::int64_t> live = 0, peak = 0;
    void move(std::int64_t by) {
        const std::int64_t now = live.fetch_add(by) + by;
        std::int64_t seen = peak.load();
        while (seen < now && !peak.compare_exchange_weak(seen, now)) {
        }
    }
};
Course upper;
Course lower;
Course padded;
std::atomic<std::uint64_t> padded_bytes = 0;

std::int64_t at_least_one(std::size_t bytes) {
    return static_cast<std::int64_t>(std::max<std::size_t>(bytes, 1));
}

std::uint64_t seed = 1;
std::uint64_t calls_each = 0;

struct Random {
    std::uint64_t state;
    std::uint64_t next() {
        state += 0x9e3779b97f4a7c15;
        std::uint64_t z = state;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    std::size_t bytes() {  // mostly small; one in 2,000 has a mapping of its own
        const std::uint64_t kind = next() % 2000;
        if (kind == 0) return 200'000 + next() % 100'000;
        if (kind < 40) return next() % 20'000;
        if (kind < 100) return 0;
        return next() % 700;
    }
};

void free_by(const Slot& slot) {
    switch (slot.by) {
        case By::malloc:
            free(slot.block);
            break;
        case By::scalar_new:
            ::operator delete(slot.block, slot.bytes);
            break;
        case By::array_new:
            ::operator delete[](slot.block);
            break;
        case By::aligned_new:
            ::operator delete (slot.block, std::align_val_t{slot.alignment});
            break;
    }
}

/// What is really asked for, of which the library is not to make more.
std::size_t asked_for(std::uint64_t kind, std::size_t bytes) {
    switch (kind) {
        case 0:
            return (bytes / 8 + 1) * 8;
        case 4:
        case 5:
            return std::max<std::size_t>(bytes, 1);  // what the library asks for
        case 6:
            return (bytes + 127) / 128 * 128 + 128;
        case 7:
            return (bytes / 4 + 1) * 4;
        default:
            return bytes;
    }
}

void* allocate(std::uint64_t kind, Random& random, std::size_t bytes, std::size_t& alignment,
               By& by) {
    by = By::malloc;
    alignment = 16;
    void* block = nullptr;
    switch (kind) {
        case 0:
            return calloc(bytes / 8, 8);
        case 1:
            alignment = std::size_t{1} << (random.next() % 13);
            return memalign(alignment, bytes);
        case 2:
            alignment = std::size_t{8} << (random.next() % 8);
            return posix_memalign(&block, alignment, bytes) == 0 ? block : nullptr;
        case 3:
            alignment = std::size_t{1} << (random.next() % 9);
            return aligned_alloc(alignment, bytes);
        case 4:
            by = By::scalar_new;
            return ::operator new(bytes);
        case 5:
            by = By::array_new;
            return ::operator new[](bytes);
        case 6:
            by = By::aligned_new;
            alignment = std::size_t{32} << (random.next() % 3);
            return ::operator new (bytes, std::align_val_t{alignment});
        case 7:
            return reallocarray(nullptr, bytes / 4, 4);
        case 8:
            return realloc(nullptr, bytes);
        default:
            return malloc(bytes);
    }
}

void fail(const char* what) {
    fprintf(stderr, "exercise: %s\n", what);
    _exit(3);
}

void call_once(Random& random, Expected& own) {
    Slot& slot = slots[random.next() % kSlots];
    if (slot.taken.exchange(true, std::memory_order_acquire)) return;  // another thread's turn
    ++own.calls;
    if (slot.block == nullptr) {
        const std::uint64_t kind = random.next() % 12;
        const std::size_t asked = asked_for(kind, random.bytes());
        upper.move(static_cast<std::int64_t>(asked));
        slot.block = allocate(kind, random, asked, slot.alignment, slot.by);
        if (slot.block == nullptr) fail("no memory");
        lower.move(static_cast<std::int64_t>(asked));
        if (reinterpret_cast<std::uintptr_t>(slot.block) %
            std::max<std::size_t>(slot.alignment, 16))
            fail("a block is not aligned");
        if (malloc_usable_size(slot.block) < asked) fail("a block is too small");
        if (asked > 0) memset(slot.block, 0x5a, malloc_usable_size(slot.block));
        slot.bytes = asked;
        padded.move(at_least_one(asked));
        padded_bytes += static_cast<std::uint64_t>(at_least_one(asked));
        ++own.allocations;
        own.bytes += asked;
        own.largest = std::max(own.largest, asked);
    } else if (slot.by == By::malloc && random.next() % 3 == 0) {
        const std::size_t bytes = random.bytes() + 1;
        const auto more = static_cast<std::int64_t>(bytes) - static_cast<std::int64_t>(slot.bytes);
        if (more > 0) upper.move(more);
        if (more < 0) lower.move(more);
        void* const moved = realloc(slot.block, bytes);
        if (moved == nullptr) fail("no memory");
        if (more > 0) lower.move(more);
        if (more < 0) upper.move(more);
        const auto* const content = static_cast<const unsigned char*>(moved);
        const std::size_t kept = std::min(bytes, slot.bytes);
        if (kept > 0 && (content[0] != 0x5a || content[kept - 1] != 0x5a))
            fail("realloc lost content");
        memset(moved, 0x5a, bytes);
        padded.move(at_least_one(bytes) - at_least_one(slot.bytes));
        padded_bytes += bytes;
        ++own.allocations, ++own.frees, ++own.reallocations;
        own.bytes += bytes;
        own.freed += slot.bytes;
        own.largest = std::max({own.largest, bytes, slot.bytes});
        slot.block = moved;
        slot.bytes = bytes;
        slot.alignment = 16;
    } else {
        lower.move(-static_cast<std::int64_t>(slot.bytes));
        padded.move(-at_least_one(slot.bytes));
        free_by(slot);
        upper.move(-static_cast<std::int64_t>(slot.bytes));
        ++own.frees;
        own.freed += slot.bytes;
        slot.block = nullptr;
    }
    slot.taken.store(false, std::memory_order_release);
}

void run(std::uint64_t number) {
    const crucible::AllocationOwner owner("exercise");
    const crucible::AllocationScope scope(owner);
    Random random{seed * 1000 + number};
    Expected& own = expected[number];
    while (own.calls < calls_each) call_once(random, own);
}

void* thread_main(void* number) {
    run(reinterpret_cast<std::uintptr_t>(number));
    return nullptr;
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 4) return 2;
    seed = strtoull(arguments[1], nullptr, 10);
    const std::size_t threads = strtoull(arguments[3], nullptr, 10);
    if (threads < 1 || threads > kThreadsMax) return 2;
    calls_each = strtoull(arguments[2], nullptr, 10) / threads;
    pthread_t handles[kThreadsMax];
    for (std::size_t i = 1; i < threads; ++i)
        if (pthread_create(&handles[i], nullptr, thread_main, reinterpret_cast<void*>(i)) != 0)
            fail("no thread");
    run(0);
    for (std::size_t i = 1; i < threads; ++i) pthread_join(handles[i], nullptr);
    Expected all;
    for (const auto& one : expected) {
        all.calls += one.calls;
        all.allocations += one.allocations;
        all.frees += one.frees;
        all.bytes += one.bytes;
        all.freed += one.freed;
        all.reallocations += one.reallocations;
        all.largest = std::max(all.largest, one.largest);
    }
    // Not with stdio, which allocates its buffer.
    char line[400];
    const int length = snprintf(
        line, sizeof line, "%llu %llu %llu %llu %llu %lld %lld %lld %llu %llu %llu %lld %lld\n",
        static_cast<unsigned long long>(all.calls),
        static_cast<unsigned long long>(all.allocations),
        static_cast<unsigned long long>(all.frees), static_cast<unsigned long long>(all.bytes),
        static_cast<unsigned long long>(all.freed), static_cast<long long>(lower.live.load()),
        static_cast<long long>(lower.peak.load()), static_cast<long long>(upper.peak.load()),
        static_cast<unsigned long long>(all.largest),
        static_cast<unsigned long long>(all.reallocations),
        static_cast<unsigned long long>(padded_bytes.load()),
        static_cast<long long>(padded.live.load()), static_cast<long long>(padded.peak.load()));
    if (write(STDOUT_FILENO, line, static_cast<std::size_t>(length)) != length) return 3;
    char byte;
    if (count > 4 && strcmp(arguments[4], "live") == 0)
        while (read(STDIN_FILENO, &byte, 1) > 0) {
        }
    _exit(0);
}
