// The peak of all owners but those that are set apart.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "alloc/watched.h"

namespace crucible::alloc {
namespace {

void expect_near(std::int64_t peak, std::int64_t truth, const Snapshot& snapshot) {
    EXPECT_LE(std::abs(peak - truth), snapshot.peak_error_bytes) << peak << " for " << truth;
}

/// The child has its parent's number in its region.
Snapshot child_of(const Ended& ended) {
    for (const auto& entry : std::filesystem::directory_iterator(ended.directory.path())) {
        if (entry.path().extension() != ".alloc") continue;
        auto snapshot = read_region(entry.path());
        if (snapshot.forked_from == ended.pid) return snapshot;
    }
    ADD_FAILURE() << "no child";
    return {};
}

/// What nobody owns is the program's, too, and rests.
std::int64_t others(const Snapshot& snapshot) {
    return owner(snapshot, "other").counts.live_bytes();
}

// The queue has given its million back when the store takes its own: the rest never had both at
// once. What the measurer takes meanwhile is in the peak of the process alone.
void expect_peaks(const Ended& ended, std::int64_t threads) {
    ASSERT_EQ(ended.status.exit_code, 0) << ended.status.describe();
    const Snapshot snapshot = snapshot_of(ended, ended.pid);
    EXPECT_EQ(owner(snapshot, "queue").counts.live_bytes(), 0);
    expect_near(owner(snapshot, "queue").peak_live_bytes, threads * 1'000'000, snapshot);
    expect_near(owner(snapshot, "store").peak_live_bytes, threads * 600'000, snapshot);
    expect_near(snapshot.rest_peak_live_bytes, others(snapshot) + threads * 1'000'000, snapshot);
    expect_near(snapshot.peak_live_bytes, others(snapshot) + threads * 3'000'000, snapshot);
    EXPECT_LT(snapshot.peak_error_bytes, threads * 100'000);

    const Snapshot child = child_of(ended);
    expect_near(child.rest_peak_live_bytes, others(child) + threads * 600'000 + 5'000'000, child);
}

TEST(Apart, IsInNoPeakOfTheRest) {
    run_both("apart", {"1"}, [](const Ended& ended) { expect_peaks(ended, 1); });
}

TEST(Apart, IsInNoPeakOfTheRestOfSixThreads) {
    run_both("apart", {"6"}, [](const Ended& ended) { expect_peaks(ended, 6); });
}

// The queue's row never comes to its own distance: the measurer's, which only grows, brings all
// rows again and again before it, on the way up and down. What they had is in the peaks all the
// same. One thread, one row of each owner: those of owners are exact.
TEST(Apart, LeavesPeaksOfOthersThatMoveSlowly) {
    run_both("apart", {"slow"}, [](const Ended& ended) {
        ASSERT_EQ(ended.status.exit_code, 0) << ended.status.describe();
        const Snapshot snapshot = snapshot_of(ended);
        EXPECT_EQ(owner(snapshot, "queue").counts.live_bytes(), 0);
        EXPECT_EQ(owner(snapshot, "queue").peak_live_bytes, 128'000);
        EXPECT_EQ(owner(snapshot, "measurer").peak_live_bytes, 384'000);
        EXPECT_LT(snapshot.peak_error_bytes, 10'000);
        expect_near(snapshot.rest_peak_live_bytes, others(snapshot) + 128'000, snapshot);
    });
}

// What is kept of the rest is what its rows have. An owner that has allocated stays one of it.
TEST(Apart, IsToldOfEachOwnerAndKept) {
    const Ended ended = run({kPrograms / "apart", "slow"});
    const Snapshot snapshot = snapshot_of(ended);
    EXPECT_TRUE(owner(snapshot, "measurer").apart);
    EXPECT_FALSE(owner(snapshot, "queue").apart);
    EXPECT_FALSE(owner(snapshot, "other").apart);
    expect_partitions(snapshot);
    EXPECT_GT(snapshot.kept_live_bytes - snapshot.rest_kept_live_bytes, 300'000);
}

// Where nobody is set apart there is nothing but the rest.
TEST(Apart, NobodyLeavesThePeakOfTheProcess) {
    const Ended ended = run({kPrograms / "exercise", "5", "20000", "2"});
    const Snapshot snapshot = snapshot_of(ended, ended.pid);
    EXPECT_GT(snapshot.peak_live_bytes, 0);
    EXPECT_EQ(snapshot.rest_peak_live_bytes, snapshot.peak_live_bytes);
    EXPECT_EQ(snapshot.rest_kept_live_bytes, snapshot.kept_live_bytes);
}

}  // namespace
}  // namespace crucible::alloc
