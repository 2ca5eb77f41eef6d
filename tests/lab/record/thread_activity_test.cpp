#include "lab/record/thread_activity.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include <fmt/format.h>

#include <string>

namespace crucible::lab {
namespace {

std::string call_line(long number, unsigned long first, unsigned long second, unsigned long third) {
    return fmt::format("{} {:#x} {:#x} {:#x} 0x0 0x0 0x0 0x7ffd5f661aa8 0x7fa5e2d9b2ad\n", number,
                       first, second, third);
}

Activity told(long number, unsigned long second = 0, unsigned long third = 0,
              std::string_view descriptor = {}) {
    const auto call = parse_blocked_call(call_line(number, 5, second, third));
    EXPECT_TRUE(call);
    return call ? activity_of_call(*call, descriptor) : Activity::unknown;
}

// The three forms that the kernel writes (fs/proc/base.c, proc_pid_syscall).
TEST(ThreadActivity, ReadsWhatTheKernelWrites) {
    EXPECT_TRUE(parse_blocked_call("running\n")->running);
    EXPECT_TRUE(parse_blocked_call("-1 0x7ffd5f661aa8 0x7fa5e2d9b2ad\n")->outside);
    const auto call = parse_blocked_call(call_line(202, 0x10, 0x80, 2));
    ASSERT_TRUE(call);
    EXPECT_EQ(call->number, 202);
    EXPECT_EQ(call->first, 0x10U);
    EXPECT_EQ(call->second, 0x80U);
    EXPECT_EQ(call->third, 2U);
    for (const char* line : {"", "\n", "202\n", "202 0x1 0x2\n", "x 0x1 0x2 0x3\n", "202 1 2 3\n"})
        EXPECT_FALSE(parse_blocked_call(line)) << line;
}

// Contention and idleness are the same system call: only its arguments tell.
TEST(ThreadActivity, TellsAContendedMutexFromAnIdleWorker) {
    EXPECT_EQ(told(SYS_futex, FUTEX_WAIT_PRIVATE, 2), Activity::lock);
    EXPECT_EQ(told(SYS_futex, FUTEX_WAIT, 2), Activity::lock);
    EXPECT_EQ(told(SYS_futex, FUTEX_LOCK_PI_PRIVATE), Activity::lock);
    EXPECT_EQ(told(SYS_futex, FUTEX_WAIT_PRIVATE, 0), Activity::idle);
    EXPECT_EQ(told(SYS_futex, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 2), Activity::idle);
}

// read() of a socket waits for somebody, of a file for storage, of an eventfd for work.
TEST(ThreadActivity, TellsReadsByTheirDescriptor) {
    EXPECT_TRUE(depends_on_descriptor(*parse_blocked_call(call_line(SYS_read, 5, 0, 0))));
    EXPECT_FALSE(depends_on_descriptor(*parse_blocked_call(call_line(SYS_fsync, 5, 0, 0))));
    EXPECT_FALSE(depends_on_descriptor(*parse_blocked_call("running\n")));
    EXPECT_EQ(told(SYS_read, 0, 0, "socket:[71]"), Activity::peer);
    EXPECT_EQ(told(SYS_read, 0, 0, "pipe:[71]"), Activity::peer);
    EXPECT_EQ(told(SYS_write, 0, 0, "/var/lib/data.db-wal"), Activity::storage);
    EXPECT_EQ(told(SYS_read, 0, 0, "anon_inode:[eventfd]"), Activity::idle);
    EXPECT_EQ(told(SYS_read, 0, 0, ""), Activity::idle);
}

// One of each other kind.
TEST(ThreadActivity, KnowsWhatCallsWaitFor) {
    EXPECT_EQ(told(SYS_fdatasync), Activity::storage);
    EXPECT_EQ(told(SYS_pread64), Activity::storage);
    EXPECT_EQ(told(SYS_recvfrom), Activity::peer);
    EXPECT_EQ(told(SYS_ppoll, 1), Activity::peer);
    EXPECT_EQ(told(SYS_ppoll, 2), Activity::idle);
    EXPECT_EQ(told(SYS_flock), Activity::file_lock);
    EXPECT_EQ(told(SYS_fcntl, F_SETLKW), Activity::file_lock);
    EXPECT_EQ(told(SYS_fcntl, F_GETFL), Activity::storage);
    EXPECT_EQ(told(SYS_clock_nanosleep), Activity::asleep);
    EXPECT_EQ(told(SYS_epoll_pwait), Activity::idle);
    EXPECT_EQ(told(SYS_mmap), Activity::page_fault);
    EXPECT_EQ(told(SYS_getpid), Activity::unknown);
    EXPECT_EQ(activity_of_call(*parse_blocked_call("-1 0x1 0x2\n"), {}), Activity::page_fault);
    EXPECT_EQ(activity_of_call(*parse_blocked_call("running\n"), {}), Activity::running);
}

// Where calls are not ours to read the letter says little: sleeping may be anything.
TEST(ThreadActivity, FallsBackOnTheLetter) {
    EXPECT_EQ(activity_of_state('R'), Activity::running);
    EXPECT_EQ(activity_of_state('D'), Activity::storage);
    EXPECT_EQ(activity_of_state('S'), Activity::unknown);
}

}  // namespace
}  // namespace crucible::lab
