// A forked process counts on from what its parent had at that moment, in a region of its own.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

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

/// The region itself: what readers make of it hides what does not fit together.
struct Mapped {
    explicit Mapped(const std::filesystem::path& file) {
        const base::UniqueFd descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
        void* const memory =
            ::mmap(nullptr, sizeof(Region), PROT_READ, MAP_SHARED, descriptor.get(), 0);
        if (memory != MAP_FAILED) region = static_cast<const Region*>(memory);
    }
    Mapped(const Mapped&) = delete;
    Mapped& operator=(const Mapped&) = delete;
    ~Mapped() {
        if (region != nullptr) ::munmap(const_cast<Region*>(region), sizeof(Region));
    }
    const Region* region = nullptr;
};

/// Of a process whose threads rest: live bytes are the sum of the rows', of which those of the
/// owner `unused` have not changed since the fork.
void expect_consistent(const std::filesystem::path& file, std::string_view unused) {
    const Mapped mapped(file);
    ASSERT_NE(mapped.region, nullptr) << file;
    const Region& region = *mapped.region;
    std::int64_t live = 0;
    std::vector<std::int64_t> owners(region.owners_used);
    for (std::uint32_t i = 0; i < region.rows_used; ++i) {
        const Row& row = region.rows[i];
        live += row.flushed;
        owners.at(row.owner) += row.flushed;
        const auto own = static_cast<std::int64_t>(row.bytes - row.freed_bytes);
        if (region.owners[row.owner].name.data() == unused) {
            EXPECT_EQ(row.flushed, own) << file << ", row " << i;
        } else {
            EXPECT_LE(row.flush_below, own) << file << ", row " << i;
            EXPECT_LE(own, row.flush_above) << file << ", row " << i;
        }
    }
    EXPECT_EQ(region.live, live) << file;
    EXPECT_GE(region.peak, region.live) << file;
    for (std::size_t i = 0; i < owners.size(); ++i)
        EXPECT_EQ(region.owners[i].live, owners[i]) << file << ' ' << region.owners[i].name.data();

    const Snapshot snapshot = read_region(file);
    expect_partitions(snapshot);
    for (const auto& one : snapshot.owners) {
        EXPECT_GE(one.counts.live_blocks(), 0) << file << ' ' << one.name;
        EXPECT_GE(one.counts.live_bytes(), 0) << file << ' ' << one.name;
        EXPECT_GE(one.counts.live_usable_bytes(), 0) << file << ' ' << one.name;
    }
}

// The others are in the middle of anything: the tracker's lock, glibc's, a row, bringing it into
// what is live. The child's own counts are exact nevertheless, and so are all of the parent's; what
// the child has of the others' fits together.
TEST(Fork, WhileSevenThreadsAllocate) {
    run_both("forks", {"busy"}, [](const Ended& ended) {
        expect_ledgers(ended, 22);
        for (const auto& line : ledger_lines(ended)) {
            if (line.forked_from == 0) continue;
            const auto file = region_file(ended.directory.path(), line.pid);
            ASSERT_TRUE(file) << file.error().message;
            expect_consistent(*file, "noise");
        }
    });
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
