// A forked process counts on from what its parent had at that moment, in a region of its own.
#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <string>

#include "alloc/region.h"
#include "alloc/watched.h"

namespace crucible::alloc {
namespace {

// The child frees the parent's blocks and both go on: neither may count in the other's region, and
// the child's live bytes begin with the parent's.
TEST(Fork, ParentAndChildCountOnForThemselves) {
    run_both("forks", {"single"}, [](const Ended& ended) {
        expect_ledgers(ended, 2);
        for (const auto& line : ledger_lines(ended))
            expect_partitions(snapshot_of(ended, line.pid));
    });
}

// A child's child begins with what the child had, which is in no region of its grandparent's.
TEST(Fork, AChildOfAChildOfAChildToo) {
    run_both("forks", {"nested"}, [](const Ended& ended) { expect_ledgers(ended, 6); });
}

// A shell does this all day; nothing of it may stay behind in the parent.
TEST(Fork, AHundredInARow) {
    run_both("forks", {"hundred"}, [](const Ended& ended) {
        expect_ledgers(ended, 101);
        EXPECT_EQ(snapshot_of(ended).threads.size(), 1U);
    });
}

// Threads that do not exist in the child leave it their counts and their rows.
TEST(Fork, FromAThreadWhileOthersHoldMemory) {
    run_both("forks", {"threads"}, [](const Ended& ended) { expect_ledgers(ended, 2); });
}

// The others are in the middle of anything: the tracker's lock, glibc's, a row. The child's own
// counts are exact nevertheless, and so are all of the parent's.
TEST(Fork, WhileSevenThreadsAllocate) {
    run_both("forks", {"busy"}, [](const Ended& ended) { expect_ledgers(ended, 22); });
}

// These are in the parent's memory until they execute something: they must leave its counts alone,
// and what they execute has a region of its own.
TEST(Fork, SpawnedProgramsBeginAnew) {
    run_both("forks", {"spawn"}, [](const Ended& ended) { expect_ledgers(ended, 4); });
}

// The process keeps its number, so that the second program needs another file.
TEST(Fork, AnExecutedProgramHasTheNextRegion) {
    run_both("forks", {"execute"}, [](const Ended& ended) {
        ASSERT_EQ(ended.status.exit_code, 0) << ended.errors;
        const std::string pid = std::to_string(ended.pid);
        // env is the first of three programs of this process where it is tracked, too.
        const auto last = region_file(ended.directory.path(), ended.pid);
        ASSERT_TRUE(last) << last.error().message;
        const int image = std::stoi(last->filename().string().substr(pid.size() + 1));
        const Snapshot after = read_region(*last);
        const Snapshot before = read_region(ended.directory.path() /
                                            (pid + "-" + std::to_string(image - 1) + ".alloc"));
        EXPECT_EQ(owner(before, "forks").counts.allocations, 100U);
        EXPECT_EQ(owner(before, "forks").counts.frees, 10U);
        EXPECT_EQ(owner(after, "forks").counts.allocations, 30U);
        EXPECT_EQ(owner(after, "forks").counts.frees, 10U);
        EXPECT_EQ(after.pid, ended.pid);
        EXPECT_EQ(after.forked_from, 0);
    });
}

}  // namespace
}  // namespace crucible::alloc
