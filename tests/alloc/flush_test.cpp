// What the tracker does to bring live bytes up to date, and to copy counts for a fork, while other
// threads come between any two of its looks at a row.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstdint>

#include "alloc/preload/tracker.h"

namespace crucible::alloc {

constinit Region* region = nullptr;

namespace {

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

constexpr greg_t kTrapFlag = 0x100;
int accesses = 0;
int comes_at = 0;
Row* watched_row = nullptr;  ///< whose page may not be touched unnoticed
void (*interfere)() = nullptr;

void protect(int protection) {
    ::mprotect(watched_row, sizeof(Row), protection);
}

/// Before an access: others come here, or the next one is looked at.
void on_access(int, siginfo_t*, void* context) {
    protect(PROT_READ | PROT_WRITE);
    if (++accesses == comes_at) return interfere();
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] |= kTrapFlag;
}

/// After it.
void on_step(int, siginfo_t*, void* context) {
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~kTrapFlag;
    protect(PROT_NONE);
}

Region* new_region() {
    void* const memory = ::mmap(nullptr, sizeof(Region), PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    EXPECT_NE(memory, MAP_FAILED);
    return static_cast<Region*>(memory);
}

/// Does `work` while others `come` before the n-th access to the row; whether it was that many.
template <class Work>
bool with_others(int n, Row& row, void (*come)(), Work work) {
    struct sigaction access {};
    struct sigaction step {};
    struct sigaction access_before {};
    struct sigaction step_before {};
    access.sa_sigaction = on_access;
    step.sa_sigaction = on_step;
    access.sa_flags = step.sa_flags = SA_SIGINFO;
    accesses = 0;
    comes_at = n;
    watched_row = &row;
    interfere = come;
    EXPECT_EQ(::sigaction(SIGSEGV, &access, &access_before), 0);
    EXPECT_EQ(::sigaction(SIGTRAP, &step, &step_before), 0);
    protect(PROT_NONE);
    work();
    protect(PROT_READ | PROT_WRITE);
    EXPECT_EQ(::sigaction(SIGSEGV, &access_before, nullptr), 0);
    EXPECT_EQ(::sigaction(SIGTRAP, &step_before, nullptr), 0);
    return accesses >= n;
}

/// Two threads' rows of one owner: 2 MiB of the other, and a new peak by 3 MiB of its own, for
/// which all rows are settled. Another owner is set apart, so that they are the rest, too.
void begin_rows() {
    region->live = region->peak = region->slack = 0;
    region->rest_live = region->rest_peak = region->rest_slack = 0;
    region->apart_used = 1;
    region->apart[1] = 1;
    region->rows_used = 2;
    region->owners[0] = {};
    region->owners[0].rows = 2;
    for (std::uint32_t i = 0; i < 2; ++i) {
        Row& row = region->rows[i];
        row = {};
        row.thread = i;
        row.bytes = std::uint64_t{2 + i} << 20;
        row.high = static_cast<std::int64_t>(row.bytes);
        row.flush_above = kFlushBytesMin;
        row.flush_below = -kFlushBytesMin;
    }
}

void expect_up_to_date(const Row& row) {
    EXPECT_EQ(row.flushed, static_cast<std::int64_t>(row.bytes - row.freed_bytes));
    EXPECT_EQ(row.flush_above - row.flushed, row.flushed - row.flush_below);
}

// A thread that settles all rows is held up before each of its looks at one, while that row moves
// and is flushed by its own thread: what it saw before is never put in the place of what is.
TEST(Flush, IsOfTheLastStateWhoeverComesBetween) {
    region = new_region();
    const auto give_back = [] {
        Row& row = region->rows[0];
        row.freed_bytes += std::uint64_t{1} << 20;
        flush(row);
    };
    int n = 0;
    bool came = true;
    while (came && !HasFailure()) {
        begin_rows();
        came = with_others(++n, region->rows[0], give_back, [] { flush(region->rows[1]); });
        const ::testing::ScopedTrace trace(__FILE__, __LINE__, n);
        expect_up_to_date(region->rows[0]);
        expect_up_to_date(region->rows[1]);
        EXPECT_EQ(region->live, region->rows[0].flushed + region->rows[1].flushed);
        EXPECT_EQ(region->owners[0].live, region->live);
        EXPECT_EQ(region->rest_live, region->live);
    }
    EXPECT_GT(n, 10);
    ::munmap(region, sizeof(Region));
    region = nullptr;
}

// What a fork takes of the rows: a block that another thread allocates after its row was taken, and
// that is freed in a later row before that is taken, is not freed more often than allocated.
TEST(CopyCounts, TakesNothingForFreedThatItDoesNotTakeForAllocated) {
    region = new_region();
    Region* const copy = new_region();
    const auto pass_a_block = [] {
        Row& giver = region->rows[0];
        Row& taker = region->rows[1];
        giver.cells[7].allocations += 1;
        giver.bytes += 100;
        giver.large_usable += 100;
        taker.cells[7].frees += 1;
        taker.freed_bytes += 100;
        taker.large_freed_usable += 100;
    };
    int n = 1;
    // Each look would take seconds.
    for (bool came = true; came && !HasFailure(); n += 29) {
        begin_rows();
        region->rows[0].bytes = region->rows[1].bytes = 0;
        came = with_others(n, region->rows[1], pass_a_block, [&] { copy_counts(*copy, *region); });
        const ::testing::ScopedTrace trace(__FILE__, __LINE__, n);
        const Row& giver = copy->rows[0];
        const Row& taker = copy->rows[1];
        EXPECT_EQ(copy->rows_used, 2U);
        EXPECT_EQ(taker.thread, 1U);
        EXPECT_GE(giver.cells[7].allocations, taker.cells[7].frees);
        EXPECT_GE(giver.bytes, taker.freed_bytes);
        EXPECT_GE(giver.large_usable, taker.large_freed_usable);
    }
    EXPECT_GT(n, 100);
    ::munmap(copy, sizeof(Region));
    ::munmap(region, sizeof(Region));
    region = nullptr;
}

#endif

}  // namespace
}  // namespace crucible::alloc
