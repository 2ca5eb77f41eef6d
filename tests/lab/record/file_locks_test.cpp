#include "lab/record/file_locks.h"

#include <gtest/gtest.h>

#include <array>

namespace crucible::lab {
namespace {

// As Linux 6.18 writes it: a reader's lock, one who waits, another's, and ours.
TEST(FileLocks, KnowsWhoHoldsAWriteLock) {
    constexpr std::array<pid_t, 2> ours{71, 72};
    EXPECT_TRUE(
        names_write_lock("1: POSIX  ADVISORY  READ 71 fe:00:1311 124 124\n"
                         "2: POSIX  ADVISORY  WRITE 72 fe:00:1311 120 120\n",
                         ours));
    EXPECT_FALSE(
        names_write_lock("1: POSIX  ADVISORY  READ 71 fe:00:1311 124 124\n"
                         "2: POSIX  ADVISORY  WRITE 7 fe:00:1311 120 120\n"
                         "2: -> POSIX  ADVISORY  WRITE 72 fe:00:1311 120 120\n",
                         ours));
    EXPECT_FALSE(names_write_lock("", ours));
}

TEST(FileLocks, AreNotTakenForNoneWhereTheyCannotBeRead) {
    EXPECT_EQ(holds_file_lock(std::array<pid_t, 1>{71}, "/nonexistent"), std::nullopt);
}

}  // namespace
}  // namespace crucible::lab
