// Reading while a process runs, and what it leaves when it is killed.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "alloc/watched.h"

namespace crucible::alloc {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kEndlessThreads = 4;

/// The program that allocates until it is killed, and a reader of its region.
struct Endless {
    base::TempDir directory = region_directory();
    std::optional<base::Process> process;
    std::optional<RegionReader> reader;

    explicit Endless(std::uint64_t allocations) {
        const std::string count = std::to_string(kEndlessThreads);
        auto started = base::Process::start(
            {.arguments = watched({kPrograms / "endless", directory.path() / "calls", count},
                                  directory.path())});
        EXPECT_TRUE(started) << started.error().message;
        process.emplace(std::move(*started));
        const auto limit = std::chrono::steady_clock::now() + 60s;
        // env has a region too, before it is this program; so this looks for the newest each time.
        while (std::chrono::steady_clock::now() < limit) {
            const auto file = region_file(directory.path(), process->pid());
            if (file) {
                auto opened = RegionReader::open(*file);
                if (opened && opened->read().total.allocations > allocations) {
                    reader.emplace(std::move(*opened));
                    return;
                }
            }
            ::sched_yield();
        }
        ADD_FAILURE() << "it does not allocate";
    }
};

/// What its threads have begun, and what they have done, as the program keeps it.
struct Calls {
    std::uint64_t allocations = 0, bytes = 0, frees = 0, freed = 0;
};
void sum_up(const std::string& content, Calls& begun, Calls& done) {
    struct alignas(128) Shared {
        Calls begun, done;
    };
    for (std::size_t at = 0; at + sizeof(Shared) <= content.size(); at += sizeof(Shared)) {
        Shared one;
        std::memcpy(&one, content.data() + at, sizeof one);
        const auto add = [](Calls& to, const Calls& calls) {
            to.allocations += calls.allocations;
            to.bytes += calls.bytes;
            to.frees += calls.frees;
            to.freed += calls.freed;
        };
        add(begun, one.begun);
        add(done, one.done);
    }
}

void expect_between(std::uint64_t low, std::uint64_t counted, std::uint64_t high) {
    EXPECT_LE(low, counted);
    EXPECT_LE(counted, high);
}

// Whatever is under way: nothing is seen freed that was not seen allocated, and no count falls.
TEST(LiveReading, CountsGrowAndLiveIsNeverBelowZero) {
    const Endless endless(3000);
    ASSERT_TRUE(endless.reader);
    Counts before;
    for (int i = 0; i < 2000 && !HasFailure(); ++i) {
        const Snapshot snapshot = endless.reader->read();
        const Counts& counts = snapshot.total;
        EXPECT_GE(counts.allocations, before.allocations);
        EXPECT_GE(counts.frees, before.frees);
        EXPECT_GE(counts.bytes, before.bytes);
        EXPECT_GE(counts.freed_bytes, before.freed_bytes);
        EXPECT_GE(counts.live_blocks(), 0);
        EXPECT_GE(counts.live_bytes(), 0);
        EXPECT_GE(counts.live_usable_bytes(), 0);
        EXPECT_GE(snapshot.peak_live_bytes, counts.live_bytes());
        for (const auto& one : snapshot.owners) {
            EXPECT_GE(one.counts.live_blocks(), 0);
            EXPECT_GE(one.counts.live_bytes(), 0);
        }
        before = counts;
    }
}

// There is nothing to be written at the end: what was counted is there however it came. Each thread
// was in one operation at most.
TEST(LiveReading, AKilledProcessLeavesAllButTheOperationUnderWay) {
    for (int trial = 0; trial < 3; ++trial) {
        Endless endless(3000);
        ASSERT_TRUE(endless.reader);
        endless.process->signal(SIGKILL);
        const auto status = endless.process->wait(60s);
        ASSERT_TRUE(status);
        EXPECT_EQ(status->signal, SIGKILL);

        const auto content = base::read_file(endless.directory.path() / "calls");
        ASSERT_TRUE(content) << content.error().message;
        Calls begun;
        Calls done;
        sum_up(*content, begun, done);
        EXPECT_LE(begun.allocations - done.allocations, kEndlessThreads);
        const Snapshot snapshot = endless.reader->read();
        const Counts& counts = owner(snapshot, "endless").counts;
        expect_between(done.allocations, counts.allocations, begun.allocations);
        expect_between(done.bytes, counts.bytes, begun.bytes);
        expect_between(done.frees, counts.frees, begun.frees);
        expect_between(done.freed, counts.freed_bytes, begun.freed);
        EXPECT_EQ(snapshot.uncounted, 0U);
    }
}

}  // namespace
}  // namespace crucible::alloc
