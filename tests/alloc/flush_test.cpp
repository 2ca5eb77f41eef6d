// What the tracker does to bring live bytes up to date, while another thread comes between any two
// of its looks at that thread's row.
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

/// Whose page may not be touched unnoticed.
Row& other_row() {
    return region->rows[0];
}

void protect(int protection) {
    ::mprotect(&other_row(), sizeof(Row), protection);
}

/// Before an access: the other thread comes here, or the next one is looked at.
void on_access(int, siginfo_t*, void* context) {
    protect(PROT_READ | PROT_WRITE);
    if (++accesses == comes_at) {
        Row& row = other_row();
        row.freed_bytes += std::uint64_t{1} << 20;
        flush(row);
        return;
    }
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] |= kTrapFlag;
}

/// After it.
void on_step(int, siginfo_t*, void* context) {
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~kTrapFlag;
    protect(PROT_NONE);
}

/// Two threads' rows of one owner: 2 MiB of the other, and a new peak by 3 MiB of its own, for
/// which all rows are settled.
void begin_rows() {
    region->live = region->peak = region->slack = 0;
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
    void* const memory = ::mmap(nullptr, sizeof(Region), PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    region = static_cast<Region*>(memory);
    struct sigaction access {};
    struct sigaction step {};
    struct sigaction access_before {};
    struct sigaction step_before {};
    access.sa_sigaction = on_access;
    step.sa_sigaction = on_step;
    access.sa_flags = step.sa_flags = SA_SIGINFO;
    ASSERT_EQ(::sigaction(SIGSEGV, &access, &access_before), 0);
    ASSERT_EQ(::sigaction(SIGTRAP, &step, &step_before), 0);
    do {
        begin_rows();
        accesses = 0;
        ++comes_at;
        protect(PROT_NONE);
        flush(region->rows[1]);
        protect(PROT_READ | PROT_WRITE);
        const ::testing::ScopedTrace trace(__FILE__, __LINE__, comes_at);
        expect_up_to_date(region->rows[0]);
        expect_up_to_date(region->rows[1]);
        EXPECT_EQ(region->live, region->rows[0].flushed + region->rows[1].flushed);
        EXPECT_EQ(region->owners[0].live, region->live);
    } while (accesses >= comes_at);
    EXPECT_GT(comes_at, 10);
    EXPECT_EQ(::sigaction(SIGSEGV, &access_before, nullptr), 0);
    EXPECT_EQ(::sigaction(SIGTRAP, &step_before, nullptr), 0);
    ::munmap(memory, sizeof(Region));
    region = nullptr;
}

#endif

}  // namespace
}  // namespace crucible::alloc
