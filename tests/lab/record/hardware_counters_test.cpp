#include "lab/record/hardware_counters.h"

#include <gtest/gtest.h>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "lab/record/child.h"

namespace crucible::lab {
namespace {

constexpr std::size_t kPagesOfThread = 300;
constexpr std::size_t kPageSize = 4096;

void touch_pages() {
    void* const block = ::mmap(nullptr, kPagesOfThread * kPageSize, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ::madvise(block, kPagesOfThread * kPageSize, MADV_NOHUGEPAGE);
    for (std::size_t i = 0; i < kPagesOfThread; ++i)
        static_cast<volatile char*>(block)[i * kPageSize] = 1;
}

/// Of all threads of this process, ended ones included.
std::int64_t faults_so_far() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

// Counted are the threads that are there when the counter is opened, and those that they start
// later, each of them once. With an event of the kernel's own, which every machine has.
TEST(PerfCounter, CountsAllThreadsOfAProcess) {
    Child child([](const ChildSide& side) {
        std::thread second([&] {
            side.tell(0);
            side.wait();
            const auto before = faults_so_far();
            touch_pages();
            std::thread third(touch_pages);
            third.join();
            side.tell(faults_so_far() - before);
            side.wait();
            touch_pages();
            side.tell(2);
            side.wait();
        });
        second.join();
    });
    child.hear();
    const auto counter =
        PerfCounter::open(child.pid(), {PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS});
    if (!counter) {
        ASSERT_TRUE(counter.error().code == Errc::permission_denied ||
                    counter.error().code == Errc::unsupported)
            << counter.error().message;
        GTEST_SKIP() << counter.error().message;
    }
    const double before = counter->read().value();
    child.go();
    const auto own = static_cast<double>(child.hear());
    const double both = counter->read().value() - before;
    EXPECT_GE(own, 2 * kPagesOfThread);
    EXPECT_NEAR(both, own, 100);
    child.go();
    ASSERT_EQ(child.hear(), 2);
    EXPECT_GE(counter->read().value() - before - both, kPagesOfThread);
    child.go();
    child.wait_for_end_without_reaping();
    child.reap();
    // It is known what a process that is gone had used.
    EXPECT_GE(counter->read().value() - before, 3 * kPagesOfThread);
}

// The machine has them or says why not; a count of nothing would pass for a process at rest.
TEST(PerfCounter, HardwareIsCountedOrExplained) {
    const auto counter =
        PerfCounter::open(::getpid(), {PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS});
    if (!counter) {
        EXPECT_TRUE(counter.error().code == Errc::unsupported ||
                    counter.error().code == Errc::permission_denied)
            << counter.error().message;
        EXPECT_NE(counter.error().message, "");
        return;
    }
    const auto first = counter->read();
    volatile int sink = 0;
    for (int i = 0; i < 1'000'000; ++i) sink = sink + 1;
    const auto second = counter->read();
    if (!first || !second) GTEST_SKIP() << "all counters are in use";
    EXPECT_GT(*second - *first, 1'000'000);
}

TEST(PerfCounter, NamesTheReasonOfARefusal) {
    EXPECT_EQ(perf_refusal(ENOENT, 2).code, Errc::unsupported);
    EXPECT_EQ(perf_refusal(ENOENT, 2).message, "this machine has no such hardware counter");
    EXPECT_EQ(perf_refusal(ENOSYS, {}).code, Errc::unsupported);
    EXPECT_EQ(perf_refusal(EACCES, 3).code, Errc::permission_denied);
    EXPECT_EQ(perf_refusal(EACCES, 3).message, "refused: perf_event_paranoid is 3");
    EXPECT_EQ(perf_refusal(EPERM, {}).message, "perf_event_open is refused");
    EXPECT_EQ(perf_refusal(EMFILE, 2).code, Errc::io);
    EXPECT_EQ(PerfCounter::open(999'999'999, {}).error().code, Errc::not_found);
}

}  // namespace
}  // namespace crucible::lab
