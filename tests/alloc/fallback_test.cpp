// Where the tracker cannot have what it needs, the program does not notice, and what was not
// counted is known.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "alloc/region.h"
#include "alloc/watched.h"

namespace crucible::alloc {
namespace {

/// Deterministic: one thread, and it checks the content of each block.
std::vector<std::string> exercise(const std::string& suffix = "") {
    return {kPrograms / ("exercise" + suffix), "5", "20000", "1"};
}

std::size_t regions_in(const std::filesystem::path& directory) {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory))
        count += entry.path().extension() == ".alloc" ? 1 : 0;
    return count;
}

/// As without a tracker.
void expect_unharmed(const Ended& ended) {
    static const Ended untouched = run(exercise(), {.tracker = Tracker::absent});
    EXPECT_EQ(ended.status.describe(), untouched.status.describe());
    EXPECT_EQ(ended.output, untouched.output);
    EXPECT_EQ(ended.errors, untouched.errors);
}

void expect_unharmed_with_directory(const std::string& directory) {
    const ::testing::ScopedTrace trace(__FILE__, __LINE__, directory.substr(0, 100));
    for (const bool linked : {false, true}) {
        const Ended ended = run(exercise(linked ? "_linked" : ""),
                                {.tracker = linked ? Tracker::linked : Tracker::preloaded,
                                 .environment = {"CRUCIBLE_ALLOC_DIRECTORY=" + directory}});
        expect_unharmed(ended);
        EXPECT_EQ(regions_in(ended.directory.path()), 0U);
    }
}

/// The whole command under a limit of the shell.
Ended run_limited(const std::string& limit, const std::vector<std::string>& command,
                  const Watch& watch = {}) {
    std::vector<std::string> all{"/bin/bash", "-c", limit + R"( && exec "$@")", "bash"};
    all.insert(all.end(), command.begin(), command.end());
    return run(all, watch);
}

// Without a file the process counts for itself alone.
TEST(Fallback, NoDirectoryToWriteInto) {
    expect_unharmed_with_directory("");
    expect_unharmed_with_directory("/nonexistent/directory");
    expect_unharmed_with_directory("relative");
    expect_unharmed_with_directory("/proc/self");  // nobody may write there
    expect_unharmed_with_directory("/etc/passwd");
    expect_unharmed_with_directory("/" + std::string(300, 'a'));
    expect_unharmed_with_directory("/" + std::string(4080, 'b'));
    expect_unharmed_with_directory("/" + std::string(5000, 'c'));
}

// Growing a file beyond what a process may is answered with a signal that ends it.
TEST(Fallback, FilesMayNotBeLargeEnough) {
    expect_unharmed(run_limited("ulimit -f 16", exercise()));
    expect_unharmed(run_limited("ulimit -f 16", exercise("_linked"), {.tracker = Tracker::linked}));
    // Large enough for the whole file but for one block.
    const std::string below = std::to_string(sizeof(Region) / 1024 - 1);
    expect_unharmed(run_limited("ulimit -f " + below, exercise()));
}

// There is no place in the address space for the region: no call may try again, each with a new
// file.
TEST(Fallback, AddressSpaceIsTooSmall) {
    const Ended ended = run_limited("ulimit -v 30000", exercise());
    expect_unharmed(ended);
    EXPECT_LE(regions_in(ended.directory.path()), 3U);  // env's, the shell's
    const auto file = region_file(ended.directory.path(), ended.pid);
    ASSERT_TRUE(file) << file.error().message;
    const Snapshot shell = read_region(*file);
    EXPECT_EQ(shell.owners.size(), 1U) << "a region that nobody uses";

    const Ended linked =
        run_limited("ulimit -v 30000", exercise("_linked"), {.tracker = Tracker::linked});
    expect_unharmed(linked);
    EXPECT_EQ(regions_in(linked.directory.path()), 0U);
}

// The child has no copy of what its parent had counted: it is not watched, but lives.
TEST(Fallback, NoAddressSpaceForAFork) {
    run_both("tight", {}, [](const Ended& ended) { expect_ledgers(ended, 1); });
}

// Touching what the file system has no room for would kill the process. What no row could be had
// for is known to be missing, and nothing else is.
TEST(Fallback, TheFileSystemIsFull) {
    if (!SmallFileSystem("64k").is_mounted)
        GTEST_SKIP() << "no tmpfs may be mounted here: " << std::strerror(errno);
    std::size_t found_incomplete = 0;
    for (const std::size_t kib : {4, 16, 20, 24, 28, 32, 36, 64}) {
        const ::testing::ScopedTrace trace(__FILE__, __LINE__, std::to_string(kib) + " KiB");
        const SmallFileSystem small(std::to_string(kib) + "k");
        const Ended ended =
            run(exercise("_linked"),
                {.tracker = Tracker::linked,
                 .environment = {"CRUCIBLE_ALLOC_DIRECTORY=" + small.directory.path().string()}});
        expect_unharmed(ended);
        const auto file = region_file(small.directory.path(), ended.pid);
        if (!file) continue;
        const Snapshot snapshot = read_region(*file);
        std::uint64_t calls = 0;
        std::uint64_t allocations = 0;
        std::istringstream(ended.output) >> calls >> allocations;
        EXPECT_GE(snapshot.total.allocations + snapshot.uncounted, allocations);
        EXPECT_LE(snapshot.total.allocations + snapshot.uncounted, allocations + 5);
        expect_partitions(snapshot);
        if (snapshot.owners_complete) continue;
        ++found_incomplete;
        EXPECT_EQ(region_word(*file, offsetof(Region, flags)), kMemoryExhausted);
    }
    EXPECT_GT(found_incomplete, 0U);
}

struct Crowd {
    std::uint64_t allocations = 0, frees = 0;
};
Crowd crowd(const Ended& ended) {
    Crowd all;
    EXPECT_EQ(ended.status.describe(), "exited with code 0") << ended.errors;
    std::istringstream(ended.output) >> all.allocations >> all.frees;
    return all;
}

std::uint32_t flags_of(const Ended& ended) {
    const auto file = region_file(ended.directory.path(), ended.pid);
    return file ? region_word(*file, offsetof(Region, flags)) : ~0U;
}

// 256 numbers, of which one is for the others.
TEST(Fallback, MoreOwnersThanNumbers) {
    run_both("crowd", {"300", "2"}, [](const Ended& ended) {
        const Crowd truth = crowd(ended);
        const Snapshot snapshot = snapshot_of(ended);
        EXPECT_EQ(snapshot.owners.size(), 256U);
        EXPECT_FALSE(snapshot.owners_complete);
        EXPECT_EQ(flags_of(ended), kOwnersExhausted);
        EXPECT_EQ(owner(snapshot, "owner-0").counts.allocations, 6U);
        EXPECT_EQ(owner(snapshot, "owner-254").counts.frees, 2U);
        Counts named;
        for (const auto& one : snapshot.owners)
            if (one.name != "other") named += one.counts;
        EXPECT_EQ(named.allocations, 255 * 6U);
        EXPECT_GE(owner(snapshot, "other").counts.allocations, truth.allocations - 255 * 6);
        EXPECT_EQ(snapshot.uncounted, 0U);
        expect_partitions(snapshot);
    });
}

// 200 threads for 100 owners would need 20,000 rows: some have fewer, and count there for "other",
// others none. What is freed was counted, or is not counted either.
TEST(Fallback, MoreRowsThanThereAre) {
    run_both("crowd", {"100", "200"}, [](const Ended& ended) {
        const Crowd truth = crowd(ended);
        const Snapshot snapshot = snapshot_of(ended);
        EXPECT_EQ(flags_of(ended), kRowsExhausted);
        EXPECT_FALSE(snapshot.owners_complete);
        const Counts& total = snapshot.total;
        EXPECT_GT(snapshot.uncounted, 0U);
        // Beside these: the program's owners, arguments and threads.
        EXPECT_GE(total.allocations + snapshot.uncounted, truth.allocations);
        EXPECT_LE(total.allocations + snapshot.uncounted, truth.allocations + 1000);
        EXPECT_GE(total.live_blocks(), 0);
        const double share_counted =
            static_cast<double>(total.allocations) / static_cast<double>(truth.allocations);
        EXPECT_NEAR(static_cast<double>(total.frees) / static_cast<double>(truth.frees),
                    share_counted, 0.02);
        expect_partitions(snapshot);
    });
}

// 4,096 have a slot; those beyond count nothing, and give back what they did not count.
TEST(Fallback, MoreThreadsThanSlots) {
    const Ended ended = run({kPrograms / "crowd", "2", "4200"});
    if (ended.errors == "no thread\n") GTEST_SKIP() << "this machine does not have so many threads";
    const Crowd truth = crowd(ended);
    const Snapshot snapshot = snapshot_of(ended);
    EXPECT_EQ(snapshot.threads.size(), kThreadsMax);
    EXPECT_EQ(snapshot.uncounted, (4200 - (kThreadsMax - 1)) * 2 * 3);
    EXPECT_FALSE(snapshot.owners_complete);
    EXPECT_GE(snapshot.total.allocations + snapshot.uncounted, truth.allocations);
}

}  // namespace
}  // namespace crucible::alloc
