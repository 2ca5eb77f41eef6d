#include "lab/record/file_locks.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "base/file.h"

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
    EXPECT_FALSE(names_write_lock("1: POSIX  ADVISORY  WRITE", ours));
}

TEST(FileLocks, AreNotTakenForNoneWhereTheyCannotBeRead) {
    EXPECT_EQ(FileLocks("/nonexistent").held_by(std::array<pid_t, 1>{71}), std::nullopt);
}

// What is read through a file that stays open is what is so now.
TEST(FileLocks, ReadsThemAnewEachTime) {
    const auto directory = base::TempDir::make("locks");
    ASSERT_TRUE(directory);
    const base::UniqueFd file(
        ::open((directory->path() / "locked").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    const std::array<pid_t, 1> ours{::getpid()};
    FileLocks locks;
    EXPECT_EQ(locks.held_by(ours), false);
    struct flock whole {};
    whole.l_whence = SEEK_SET;
    whole.l_type = F_WRLCK;
    ASSERT_EQ(::fcntl(file.get(), F_SETLK, &whole), 0);
    EXPECT_EQ(locks.held_by(ours), true);
    whole.l_type = F_UNLCK;
    ASSERT_EQ(::fcntl(file.get(), F_SETLK, &whole), 0);
    EXPECT_EQ(locks.held_by(ours), false);
}

// A machine may have more locks than one read gives.
TEST(FileLocks, ReadsAllOfThem) {
    const auto root = base::TempDir::make("locks");
    ASSERT_TRUE(root);
    std::filesystem::create_directory(root->path() / "proc");
    {
        std::ofstream all(root->path() / "proc/locks");
        for (int i = 1; i <= 500; ++i)
            all << i << ": POSIX  ADVISORY  WRITE 7 fe:00:1311 124 124\n";
        all << "501: POSIX  ADVISORY  WRITE 71 fe:00:1311 124 124\n";
    }
    FileLocks locks(root->path());
    EXPECT_EQ(locks.held_by(std::array<pid_t, 1>{71}), true);
    EXPECT_EQ(locks.held_by(std::array<pid_t, 1>{72}), false);
}

}  // namespace
}  // namespace crucible::lab
