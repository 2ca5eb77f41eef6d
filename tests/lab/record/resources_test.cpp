#include "lab/record/resources.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <iterator>
#include <string>
#include <thread>

#include "base/clock.h"
#include "lab/record/child.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMiB = 1024 * 1024;
constexpr std::size_t kBlock = 64 * kMiB;

/// 64 MiB of this process alone, present at once: MAP_POPULATE, so that no sanitizer's shadow grows
/// with it.
void* take_block() {
    return ::mmap(nullptr, kBlock, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

/// Until `more` further samples of memory have been begun and taken after this call.
void wait_for_costly_samples(const ResourceMonitor& monitor, std::uint64_t more) {
    const auto want = monitor.costly_samples() + more;
    const auto limit = base::monotonic_now() + 30s;
    while (monitor.costly_samples() < want) {
        ASSERT_LT(base::monotonic_now(), limit) << "the monitor takes no samples";
        std::this_thread::yield();
    }
}

/// Counted from outside: a sanitizer's runtime has a thread of its own in every process.
std::uint32_t threads_of(const Child& child) {
    const std::filesystem::directory_iterator tasks("/proc/" + std::to_string(child.pid()) +
                                                    "/task");
    return static_cast<std::uint32_t>(std::distance(begin(tasks), end(tasks)));
}

double milliseconds(Duration duration) {
    return static_cast<double>(duration.count()) / 1e6;
}

// The CPU time we charge to a system has to be the one its processes used: within 2 % of the
// child's own account.
TEST(ReadProcess, ReadsTheCpuTimeOfAnotherProcess) {
    Child child([](const ChildSide& side) {
        side.burn_cpu(300ms);
        side.tell(side.cpu_used().count());
        side.wait();
    });
    const Duration own(child.hear());
    const auto reading = read_process(child.pid());
    ASSERT_TRUE(reading) << reading.error().message;
    EXPECT_GE(own, 300ms);
    EXPECT_NEAR(milliseconds(reading->cpu), milliseconds(own), 0.02 * milliseconds(own));
    // Split into clock ticks of 10 ms, each rounded down.
    EXPECT_NEAR(milliseconds(reading->cpu_user + reading->cpu_system), milliseconds(own), 25);
    EXPECT_EQ(reading->threads, threads_of(child));
}

// Memory that a process alone has touched counts in full, to the page.
TEST(ReadProcess, SeesTouchedMemory) {
    Child child([](const ChildSide& side) {
        side.tell(0);
        side.wait();
        side.tell(take_block() != MAP_FAILED ? 1 : 0);
        side.wait();
    });
    child.hear();
    const auto before = read_process(child.pid());
    child.go();
    ASSERT_EQ(child.hear(), 1);
    const auto after = read_process(child.pid());
    ASSERT_TRUE(before && after);
    const auto growth = [](std::uint64_t from, std::uint64_t to) {
        return (static_cast<double>(to) - static_cast<double>(from)) / static_cast<double>(kMiB);
    };
    EXPECT_NEAR(growth(*before->pss_bytes, *after->pss_bytes), 64, 1);
    EXPECT_NEAR(growth(before->rss_bytes, after->rss_bytes), 64, 1);
}

// Each of 200 waits for the parent gives the core away at least once.
TEST(ReadProcess, CountsContextSwitches) {
    Child child([](const ChildSide& side) {
        for (;;) {
            side.tell(0);
            side.wait();
        }
    });
    child.hear();
    const auto before = read_process(child.pid());
    for (int i = 0; i < 200; ++i) {
        child.go();
        child.hear();
    }
    const auto after = read_process(child.pid());
    ASSERT_TRUE(before && after);
    const auto switches = after->voluntary_switches + after->involuntary_switches -
                          before->voluntary_switches - before->involuntary_switches;
    EXPECT_GE(switches,
              100u);  // a child on another core may find the parent's word before it sleeps
    EXPECT_LE(switches, 2'000u);
}

// Between its end and its reaping a process still has its CPU account, and no memory; afterwards it
// is not there.
TEST(ReadProcess, ReadsAnEndedProcessUntilItIsReaped) {
    Child child([](const ChildSide& side) {
        side.burn_cpu(50ms);
        side.tell(side.cpu_used().count());
    });
    const Duration own(child.hear());
    child.wait_for_end_without_reaping();
    const pid_t pid = child.pid();
    const auto ended = read_process(pid);
    ASSERT_TRUE(ended) << ended.error().message;
    EXPECT_GE(ended->cpu, own);
    EXPECT_NEAR(milliseconds(ended->cpu), milliseconds(own),
                20);  // its exit is on its account, too
    EXPECT_EQ(ended->pss_bytes, 0u);
    EXPECT_EQ(ended->rss_bytes, 0u);
    child.reap();
    const auto gone = read_process(pid);
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, Errc::not_found);
    EXPECT_NE(gone.error().message.find(std::to_string(pid)), std::string::npos)
        << gone.error().message;
}

TEST(ReadProcess, RefusesWhatIsNoProcess) {
    for (const pid_t pid : {0, -1, 999'999'999}) {
        const auto reading = read_process(pid);
        ASSERT_FALSE(reading) << pid;
        EXPECT_EQ(reading.error().code, Errc::not_found);
    }
}

// What a system used is the difference between two moments, not its life: 200 ms before the start
// do not count.
TEST(ResourceMonitor, ChargesWhatWasUsedBetweenStartAndStop) {
    const auto work = [](const ChildSide& side) {
        side.burn_cpu(200ms);
        side.tell(0);
        side.wait();
        const auto before = side.cpu_used();
        side.burn_cpu(100ms);
        side.tell((side.cpu_used() - before).count());
        side.wait();
    };
    Child first(work);
    Child second(work);
    first.hear();
    second.hear();
    auto monitor = ResourceMonitor::start({first.pid(), second.pid()}, 10ms);
    ASSERT_TRUE(monitor) << monitor.error().message;
    first.go();
    second.go();
    const double own = milliseconds(Duration(first.hear() + second.hear()));
    const std::uint32_t threads = threads_of(first) + threads_of(second);
    const Usage usage = (*monitor)->stop();
    EXPECT_NEAR(milliseconds(usage.cpu), own, 0.02 * own);
    EXPECT_GE(usage.wall, 100ms);
    EXPECT_EQ(usage.threads_max, threads);
    EXPECT_GE(usage.samples, 2u);
    EXPECT_GE(usage.memory_samples, 2u);
    EXPECT_GT(usage.sampler_cpu, Duration::zero());
    EXPECT_LT(usage.sampler_cpu, usage.wall);
    EXPECT_EQ((*monitor)->stop().cpu, usage.cpu);
}

// A block that was there and went is in the peak and, by the time it was there, in the mean.
TEST(ResourceMonitor, KeepsThePeakOfMemoryThatWasGivenBack) {
    Child child([](const ChildSide& side) {
        side.tell(0);
        side.wait();
        void* const block = take_block();
        side.tell(block != MAP_FAILED ? 1 : 0);
        side.wait();
        ::munmap(block, kBlock);
        side.tell(0);
        side.wait();
    });
    child.hear();
    const auto reading = read_process(child.pid());
    ASSERT_TRUE(reading);
    const auto base_bytes = static_cast<double>(*reading->pss_bytes);
    auto monitor = ResourceMonitor::start({child.pid()}, 10ms);
    ASSERT_TRUE(monitor) << monitor.error().message;
    child.go();
    ASSERT_EQ(child.hear(), 1);
    wait_for_costly_samples(**monitor, 2);
    child.go();
    child.hear();
    wait_for_costly_samples(**monitor, 2);
    const Usage usage = (*monitor)->stop();
    // The pages it shares with its parent count half or whole as that one changes them: 2 MiB of
    // play.
    EXPECT_NEAR((usage.memory_peak_bytes - base_bytes) / static_cast<double>(kMiB), 64, 2);
    EXPECT_GT(usage.memory_mean_bytes, base_bytes);
    EXPECT_LT(usage.memory_mean_bytes, usage.memory_peak_bytes - static_cast<double>(kMiB));
}

// A killed system's cost up to its end is part of the partial result.
TEST(ResourceMonitor, KeepsTheLastReadingOfAProcessThatDied) {
    Child child([](const ChildSide& side) {
        side.tell(0);
        side.wait();
        const auto before = side.cpu_used();
        side.burn_cpu(100ms);
        static_cast<void>(take_block());
        side.tell((side.cpu_used() - before).count());
        side.wait();
    });
    child.hear();
    auto monitor = ResourceMonitor::start({child.pid()}, 10ms);
    ASSERT_TRUE(monitor) << monitor.error().message;
    child.go();
    const double own = milliseconds(Duration(child.hear()));
    wait_for_costly_samples(**monitor, 2);
    child.go();
    child.reap();
    wait_for_costly_samples(**monitor, 2);
    const Usage usage = (*monitor)->stop();
    EXPECT_GE(milliseconds(usage.cpu), 0.98 * own);
    EXPECT_LE(milliseconds(usage.cpu), 1.02 * own + 20);
    EXPECT_GE(usage.memory_peak_bytes, static_cast<double>(kBlock));
    EXPECT_LT(usage.memory_mean_bytes, usage.memory_peak_bytes);
}

TEST(ResourceMonitor, RefusesWhatItCannotWatch) {
    const auto nobody = ResourceMonitor::start({::getpid(), 999'999'999}, 10ms);
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().code, Errc::not_found);
    EXPECT_NE(nobody.error().message.find("999999999"), std::string::npos)
        << nobody.error().message;
    const auto hasty = ResourceMonitor::start({::getpid()}, 9ms);
    ASSERT_FALSE(hasty);
    EXPECT_EQ(hasty.error().code, Errc::invalid_argument);
}

// An embedded system has no processes of its own; a monitor dropped without stop() ends its thread.
TEST(ResourceMonitor, WatchesNobodyAndCanBeDropped) {
    auto nobody = ResourceMonitor::start({}, 10ms);
    ASSERT_TRUE(nobody);
    const Usage usage = (*nobody)->stop();
    EXPECT_EQ(usage.cpu, Duration::zero());
    EXPECT_EQ(usage.memory_peak_bytes, 0);
    auto dropped = ResourceMonitor::start({::getpid()}, 10ms);
    ASSERT_TRUE(dropped);
    dropped->reset();
}

}  // namespace
}  // namespace crucible::lab
