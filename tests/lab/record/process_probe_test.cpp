#include "lab/record/process_probe.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <string_view>
#include <thread>

#include "base/clock.h"
#include "lab/record/child.h"
#include "lab/record/fake_root.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

/// Until the child sleeps in its wait(): then all that it did before is on its account.
void wait_until_asleep(const Child& child) {
    const auto limit = base::monotonic_now() + 30s;
    const auto stat = "/proc/" + std::to_string(child.pid()) + "/stat";
    for (;;) {
        const auto text = base::read_file(stat);
        ASSERT_TRUE(text) << text.error().message;
        if (text->find(") S ") != std::string::npos) return;
        ASSERT_LT(base::monotonic_now(), limit) << *text;
        std::this_thread::yield();
    }
}

ProcessReading read_fully(const Child& child) {
    wait_until_asleep(child);
    const auto reading = read_process(child.pid(), Depth::full);
    EXPECT_TRUE(reading) << reading.error().message;
    return reading.value_or(ProcessReading{});
}

// Each of 512 pages touched for the first time is a fault, whose number the process itself gets
// from getrusage().
TEST(ProcessProbe, CountsFaults) {
    constexpr std::size_t kPages = 512, kPage = 4096;
    Child child([](const ChildSide& side) {
        side.tell(0);
        side.wait();
        rusage before{}, after{};
        ::getrusage(RUSAGE_SELF, &before);
        void* const block = ::mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ::madvise(block, kPages * kPage, MADV_NOHUGEPAGE);
        for (std::size_t i = 0; i < kPages; ++i) static_cast<volatile char*>(block)[i * kPage] = 1;
        ::getrusage(RUSAGE_SELF, &after);
        side.tell(after.ru_minflt - before.ru_minflt);
        side.wait();
    });
    child.hear();
    const auto before = read_fully(child);
    child.go();
    const auto own = static_cast<std::uint64_t>(child.hear());
    const auto after = read_fully(child);
    EXPECT_GE(own, kPages);
    const auto faults = after.minor_faults - before.minor_faults;
    EXPECT_GE(faults, own);
    EXPECT_LE(faults, own + 64);  // the first calls of what it calls around that
    EXPECT_EQ(after.major_faults, before.major_faults);
}

TEST(ProcessProbe, CountsDescriptors) {
    Child child([](const ChildSide& side) {
        side.tell(0);
        side.wait();
        for (int i = 0; i < 37; ++i) static_cast<void>(::dup(STDERR_FILENO));
        side.tell(0);
        side.wait();
    });
    child.hear();
    const auto before = read_fully(child);
    child.go();
    child.hear();
    const auto after = read_fully(child);
    ASSERT_TRUE(before.descriptors && after.descriptors);
    EXPECT_GE(*before.descriptors, 4u);  // three, and those to its parent
    EXPECT_EQ(*after.descriptors - *before.descriptors, 37u);
}

// To the byte, with the words to its parent (8 bytes) and from it (1 byte).
TEST(ProcessProbe, CountsBytesReadAndWritten) {
    Child child([](const ChildSide& side) {
        static char block[50'000];
        const int from = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
        const int to = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
        side.tell(0);
        side.wait();
        for (int i = 0; i < 3; ++i) static_cast<void>(::read(from, block, sizeof block));
        for (int i = 0; i < 2; ++i) static_cast<void>(::write(to, block, 33'333));
        side.tell(0);
        side.wait();
    });
    child.hear();
    const auto before = read_fully(child);
    child.go();
    child.hear();
    const auto after = read_fully(child);
    if (!before.io) GTEST_SKIP() << "this kernel counts no bytes of a process";
    EXPECT_EQ(after.io->read_bytes - before.io->read_bytes, 150'001u);
    EXPECT_EQ(after.io->written_bytes - before.io->written_bytes, 66'674u);
    EXPECT_EQ(after.io->storage_read_bytes, before.io->storage_read_bytes);
}

// Two threads on one core that each need 100 ms of it: whichever is served first, the other one is
// ready and waits meanwhile. So they wait for 100 ms at least, together.
TEST(ProcessProbe, CountsTheWaitForACore) {
    Child child([](const ChildSide& side) {
        cpu_set_t allowed, one;
        CPU_ZERO(&one);
        ::sched_getaffinity(0, sizeof allowed, &allowed);
        for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++core)
            if (CPU_ISSET(core, &allowed)) CPU_SET(core, &one);
        ::sched_setaffinity(0, sizeof one, &one);
        const auto burn = [] {
            const auto used = [] {
                timespec time{};
                ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
                return std::chrono::seconds(time.tv_sec) + Duration(time.tv_nsec);
            };
            for (const auto end = used() + 100ms; used() < end;) {
            }
        };
        side.tell(0);
        side.wait();
        std::thread other([&] {
            burn();
            side.wait();  // alive: its wait is known only as long
        });
        burn();
        side.tell(0);
        other.join();
    });
    child.hear();
    const auto before = read_fully(child);
    if (!before.run_queue_delay) GTEST_SKIP() << "this kernel keeps no run-queue delay";
    child.go();
    child.hear();
    // The second thread may have something left to do.
    const auto limit = base::monotonic_now() + 30s;
    Duration used{};
    ProcessReading after;
    while (used < 200ms) {
        after = read_process(child.pid(), Depth::full).value_or(ProcessReading{});
        used = after.cpu - before.cpu;
        ASSERT_LT(base::monotonic_now(), limit);
    }
    ASSERT_TRUE(after.run_queue_delay.has_value());
    EXPECT_GE(*after.run_queue_delay - *before.run_queue_delay, 100ms);
    child.go();
}

// Somebody else's process: what everybody may see is read, the rest is absent, and why is said. A
// zero would pass for a process that reads nothing.
TEST(ProcessProbe, SaysWhatItMayNotRead) {
    const pid_t of_root = ::getuid() == 0 ? ::getpid() : 1;
    Child child([=](const ChildSide& side) {
        if (::getuid() == 0 && ::setresuid(65'534, 65'534, 65'534) != 0) ::_exit(3);
        auto probe = ProcessProbe::open(of_root);
        ProcessReading reading;
        const auto code = [&](const Result<>& outcome) {
            side.tell(outcome ? -1 : static_cast<std::int64_t>(outcome.error().code));
        };
        code(probe->read_counters(reading));
        code(probe->read_switches(reading));
        code(probe->read_memory(reading));
        code(probe->read_io(reading));
        side.tell(reading.io || reading.pss_bytes || reading.swap_bytes ? 1 : 0);
        side.wait();
    });
    constexpr auto kDenied = static_cast<std::int64_t>(Errc::permission_denied);
    EXPECT_EQ(child.hear(), -1);
    EXPECT_EQ(child.hear(), -1);
    EXPECT_EQ(child.hear(), kDenied);
    EXPECT_EQ(child.hear(), kDenied);
    EXPECT_EQ(child.hear(), 0);
}

// A probe outlives its process, and says so instead of another one's figures.
TEST(ProcessProbe, KnowsThatItsProcessIsGone) {
    Child child([](const ChildSide& side) {
        side.tell(0);
        side.wait();
    });
    child.hear();
    auto probe = ProcessProbe::open(child.pid());
    ASSERT_TRUE(probe);
    ProcessReading reading;
    ASSERT_TRUE(probe->read_counters(reading));
    EXPECT_FALSE(probe->ended());
    EXPECT_TRUE(probe->has_memory());
    child.go();
    child.wait_for_end_without_reaping();
    ASSERT_TRUE(probe->read_counters(reading));
    EXPECT_TRUE(probe->ended());
    EXPECT_FALSE(probe->has_memory());
    EXPECT_TRUE(probe->read_descriptors(reading));
    EXPECT_EQ(reading.descriptors, 0u);
    child.reap();
    for (const auto& outcome : {probe->read_counters(reading), probe->read_switches(reading),
                                probe->read_delay(reading), probe->read_io(reading)}) {
        ASSERT_FALSE(outcome);
        EXPECT_EQ(outcome.error().code, Errc::not_found) << outcome.error().message;
    }
}

constexpr std::string_view kStat =
    "1 (a (b) c) S 1 1 1 0 -1 4194304 210 0 7 0 12 34 0 0 20 0 3 0 1 1000 25 18446744073709551615";

TEST(ProcessProbe, ReadsEachField) {
    FakeRoot root;
    root.write_process("stat", kStat);
    root.write_process("comm", "crucibled\n");
    root.write_process("smaps_rollup",
                       "0-1 ---p\nRss: 100 kB\nPss:   60 kB\nSwapPss: 3 kB\n"
                       "Swap:   12 kB\n");
    root.write_process("io",
                       "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\n"
                       "write_bytes: 6\ncancelled_write_bytes: 7\n");
    root.write_process("task/11/schedstat", "1000 500 3\n");
    root.write_process("task/12/schedstat", "1000 700 1\n");
    // As kernels before 6.2 have it: a directory whose size is not their number.
    for (const auto* name : {"0", "1", "17"}) root.write_process(std::string("fd/") + name, "");
    auto probe = ProcessProbe::open(::getpid(), root.path());
    ASSERT_TRUE(probe) << probe.error().message;
    EXPECT_EQ(probe->command(), "crucibled");
    ProcessReading reading;
    ASSERT_TRUE(probe->read_counters(reading) && probe->read_memory(reading) &&
                probe->read_io(reading) && probe->read_delay(reading) &&
                probe->read_descriptors(reading));
    EXPECT_EQ(reading.minor_faults, 210u);
    EXPECT_EQ(reading.major_faults, 7u);
    EXPECT_EQ(reading.cpu_user, 120ms);
    EXPECT_EQ(reading.cpu_system, 340ms);
    EXPECT_EQ(reading.threads, 3u);
    EXPECT_EQ(reading.rss_bytes, 25u * 4096);
    EXPECT_EQ(reading.pss_bytes, 60u * 1024);
    EXPECT_EQ(reading.swap_bytes, 12u * 1024);
    EXPECT_EQ(reading.io->read_bytes, 1u);
    EXPECT_EQ(reading.io->written_bytes, 2u);
    EXPECT_EQ(reading.io->storage_read_bytes, 5u);
    EXPECT_EQ(reading.io->storage_written_bytes, 6u);
    EXPECT_EQ(reading.run_queue_delay, Duration(1'200));
    EXPECT_EQ(reading.descriptors, 3u);
}

// Kernels are built without this and that: absent, with the file that is missing.
TEST(ProcessProbe, SaysWhatTheKernelDoesNotKeep) {
    FakeRoot root;
    root.write_process("stat", kStat);
    root.write_process("task/11/schedstat", "0 0 0\n");
    auto probe = ProcessProbe::open(::getpid(), root.path());
    ASSERT_TRUE(probe);
    ProcessReading reading;
    ASSERT_TRUE(probe->read_counters(reading));
    for (const auto& outcome : {probe->read_memory(reading), probe->read_io(reading),
                                probe->read_delay(reading), probe->read_descriptors(reading)}) {
        ASSERT_FALSE(outcome);
        EXPECT_EQ(outcome.error().code, Errc::unsupported) << outcome.error().message;
    }
    EXPECT_EQ(probe->read_io(reading).error().message, "this kernel has no /proc/<pid>/io");
    EXPECT_FALSE(reading.io || reading.pss_bytes || reading.run_queue_delay || reading.descriptors);
}

// On its way to its end a process has no memory any more, and is not yet a zombie.
TEST(ProcessProbe, SeesAProcessGoing) {
    FakeRoot root;
    root.write_process("stat", "1 (a) R 1 1 1 0 -1 4194304 1 0 1 0 1 1 0 0 20 0 1 0 1 0 0 0");
    auto probe = ProcessProbe::open(::getpid(), root.path());
    ASSERT_TRUE(probe);
    ProcessReading reading;
    ASSERT_TRUE(probe->read_counters(reading));
    EXPECT_FALSE(probe->ended());
    EXPECT_FALSE(probe->has_memory());
}

TEST(ProcessProbe, RefusesWhatItCannotParse) {
    FakeRoot root;
    root.write_process("stat", "1 (a) S 1 1");
    root.write_process("smaps_rollup", "Rss: 1 kB\nSwap: 0 kB\n");
    root.write_process("io", "rchar: 1\nwchar: many\n");
    root.write_process("task/11/schedstat", "1000\n");
    auto probe = ProcessProbe::open(::getpid(), root.path());
    ASSERT_TRUE(probe);
    ProcessReading reading;
    for (const auto& outcome : {probe->read_counters(reading), probe->read_memory(reading),
                                probe->read_io(reading), probe->read_delay(reading)}) {
        ASSERT_FALSE(outcome);
        EXPECT_EQ(outcome.error().code, Errc::corrupt) << outcome.error().message;
    }
}

}  // namespace
}  // namespace crucible::lab
