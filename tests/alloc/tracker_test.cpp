// The tracker against programs that know what they have allocated.
#include <gtest/gtest.h>

#include <string>

#include "alloc/watched.h"

namespace crucible::alloc {
namespace {

void expect_exact(const Ended& ended) {
    ASSERT_EQ(ended.status.exit_code, 0) << ended.status.describe();
    const Exercised truth = exercised(ended.output);
    const Snapshot snapshot = snapshot_of(ended, ended.pid);
    const OwnerCounts& own = owner(snapshot, "exercise");
    EXPECT_EQ(own.counts.allocations, truth.allocations);
    EXPECT_EQ(own.counts.frees, truth.frees);
    EXPECT_EQ(own.counts.bytes, truth.bytes);
    EXPECT_EQ(own.counts.freed_bytes, truth.freed);
    EXPECT_EQ(own.counts.live_bytes(), truth.live);
    EXPECT_EQ(snapshot.reallocations, truth.reallocations);
    EXPECT_GE(own.counts.usable_bytes, own.counts.bytes);
    // Rows are read one after the other: an operation that ends here and one that begins there may
    // both be seen, or neither.
    EXPECT_LE(own.peak_live_bytes, truth.peak_high + snapshot.peak_error_bytes);
    EXPECT_GE(own.peak_live_bytes + snapshot.peak_error_bytes, truth.peak_low);
    EXPECT_LE(snapshot.peak_error_bytes, 64 * 1024);
    EXPECT_EQ(snapshot.foreign_frees, 0U);
    EXPECT_EQ(snapshot.uncounted, 0U);
    EXPECT_TRUE(snapshot.owners_complete);
    expect_partitions(snapshot);
}

TEST(Tracker, CountsEveryCallOfEightThreadsPreloaded) {
    expect_exact(run({kPrograms / "exercise", "1", "800000", "8"}));
}

TEST(Tracker, CountsEveryCallOfEightThreadsLinked) {
    expect_exact(
        run({kPrograms / "exercise_linked", "2", "800000", "8"}, {.tracker = Tracker::linked}));
}

TEST(Tracker, KnowsThePeakOfOneThreadToTheByte) {
    const Ended ended = run({kPrograms / "exercise", "3", "200000", "1"});
    expect_exact(ended);
    const Exercised truth = exercised(ended.output);
    EXPECT_EQ(truth.peak_low, truth.peak_high);
    EXPECT_EQ(owner(snapshot_of(ended, ended.pid), "exercise").peak_live_bytes, truth.peak_low);
}

}  // namespace
}  // namespace crucible::alloc
