// Threads begin and end all the time; their counts stay, and what counted for one counts for the
// next.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

#include "alloc/region.h"
#include "alloc/watched.h"

namespace crucible::alloc {
namespace {

struct Used {
    std::uint32_t threads = 0;
    std::uint32_t rows = 0;
    std::uint32_t served = 0;
};

Used used_by(const Ended& ended) {
    Used used;
    const auto file = region_file(ended.directory.path(), ended.pid);
    if (!file) return used;
    used.threads = region_word(*file, offsetof(Region, threads_used));
    used.rows = region_word(*file, offsetof(Region, rows_used));
    for (const auto& thread : snapshot_of(ended).threads) used.served += thread.served;
    return used;
}

void expect_exact_with(const Ended& ended, std::uint32_t threads_most, std::uint32_t served) {
    expect_ledgers(ended, 1);
    expect_partitions(snapshot_of(ended));
    const Used used = used_by(ended);
    EXPECT_LE(used.threads, threads_most);
    EXPECT_LE(used.rows, 2 * threads_most);  // "threads" and "other"
    EXPECT_EQ(used.served, served);
}

// 2,000 threads one after the other need the memory of two; each leaves a block that the first
// thread frees after it has ended, which may not drift.
TEST(Threads, OneAfterTheOtherUseTheSameSlot) {
    run_both("threads", {"churn"}, [](const Ended& ended) { expect_exact_with(ended, 16, 2001); });
}

// What one of them allocates, another frees, while all go on.
TEST(Threads, SixtyFourAtOnce) {
    run_both("threads", {"at_once"},
             [](const Ended& ended) { expect_exact_with(ended, 129, 129); });
}

// A thread's state, and the scope it is in, must outlive others' destructors, of which the system
// runs four rounds, and be given back all the same.
TEST(Threads, CountWhileThreadSpecificDestructorsRun) {
    run_both("threads", {"specific"}, [](const Ended& ended) {
        expect_ledgers(ended, 1);
        expect_partitions(snapshot_of(ended));
        EXPECT_LE(used_by(ended).threads, 16U);
    });
}

// The tracker hears of the end of a thread only through a destructor of its own, and of a thread
// that begins to allocate in the last rounds not at all: these must not use up the slots.
TEST(Threads, ThatAllocateFirstAtTheirEndAreFoundToHaveEnded) {
    run_both("threads", {"late"}, [](const Ended& ended) {
        expect_ledgers(ended, 1);
        expect_partitions(snapshot_of(ended));
        EXPECT_LE(used_by(ended).threads, 200U);
    });
}

// Destructors of C++ thread_local objects run before the thread-specific ones.
TEST(Threads, CountWhileThreadLocalDestructorsRun) {
    run_both("threads", {"local"}, [](const Ended& ended) { expect_exact_with(ended, 16, 201); });
}

// Nobody waits for their end: the next one may begin before it.
TEST(Threads, Detached) {
    run_both("threads", {"detached"},
             [](const Ended& ended) { expect_exact_with(ended, 100, 301); });
}

}  // namespace
}  // namespace crucible::alloc
