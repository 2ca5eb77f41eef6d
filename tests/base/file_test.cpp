#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <utility>

namespace crucible::base {
namespace {

namespace fs = std::filesystem;

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) != -1;
}

std::size_t entries(const fs::path& directory) {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

TEST(UniqueFd, ClosesWhatItOwnsOnce) {
    int number = -1;
    {
        UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        ASSERT_TRUE(fd);
        number = fd.get();
        UniqueFd moved(std::move(fd));
        EXPECT_EQ(moved.get(), number);
        EXPECT_TRUE(is_open(number));
    }
    EXPECT_FALSE(is_open(number));
}

TEST(UniqueFd, AssignmentClosesTheOldOne) {
    UniqueFd a(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    UniqueFd b(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int old = a.get();
    const int kept = b.get();
    a = std::move(b);
    EXPECT_FALSE(is_open(old));
    EXPECT_EQ(a.get(), kept);
    EXPECT_TRUE(is_open(kept));
}

TEST(UniqueFd, ReleaseGivesItUp) {
    UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int number = fd.release();
    EXPECT_FALSE(fd);
    EXPECT_TRUE(is_open(number));
    ::close(number);
}

// Trials leave nothing behind, whatever the services wrote.
TEST(TempDir, IsRemovedWithEverythingInIt) {
    fs::path path;
    {
        auto directory = TempDir::make("base");
        ASSERT_TRUE(directory) << directory.error().message;
        path = directory->path();
        EXPECT_TRUE(path.filename().string().starts_with("crucible-base-"));
        fs::create_directories(path / "a" / "b");
        ASSERT_TRUE(write_file(path / "a" / "b" / "c", "content"));
        const TempDir moved(std::move(*directory));
        EXPECT_TRUE(fs::exists(path));
    }
    EXPECT_FALSE(fs::exists(path));
}

TEST(TempDir, AssignmentRemovesTheOldOne) {
    auto a = TempDir::make("base");
    auto b = TempDir::make("base");
    ASSERT_TRUE(a && b);
    const fs::path old = a->path();
    const fs::path kept = b->path();
    ASSERT_NE(old, kept);
    *a = std::move(*b);
    EXPECT_FALSE(fs::exists(old));
    EXPECT_TRUE(fs::exists(kept));
    EXPECT_EQ(a->path(), kept);
}

TEST(File, ReadsBackWhatWasWritten) {
    const auto directory = TempDir::make("base");
    ASSERT_TRUE(directory);
    const fs::path path = directory->path() / "file";
    // Longer than the read buffer, with zeros in it.
    std::string content(100'000, 'x');
    content[50'000] = '\0';
    ASSERT_TRUE(write_file(path, content));
    EXPECT_EQ(read_file(path), content);
    ASSERT_TRUE(write_file(path, ""));
    EXPECT_EQ(read_file(path), "");
}

// Files of /proc report a size of 0 and have content.
TEST(File, ReadsFilesWithoutASize) {
    const auto status = read_file("/proc/self/status");
    ASSERT_TRUE(status);
    EXPECT_NE(status->find("\nPid:\t" + std::to_string(::getpid()) + "\n"), std::string::npos);
}

// A reader that has the file open sees the old content to its end: the new one is another file.
TEST(File, ReplacesInsteadOfOverwriting) {
    const auto directory = TempDir::make("base");
    ASSERT_TRUE(directory);
    const fs::path path = directory->path() / "file";
    ASSERT_TRUE(write_file(path, "old"));
    const UniqueFd reader(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(write_file(path, "new content"));
    char seen[32] = {};
    EXPECT_EQ(::read(reader.get(), seen, sizeof seen), 3);
    EXPECT_EQ(std::string(seen), "old");
    EXPECT_EQ(read_file(path), "new content");
    EXPECT_EQ(entries(directory->path()), 1u);  // no temporary file stays

    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777u, 0644u);  // mkstemp's 0600 would hide reports from others
}

// The user sees this line and has to find the path in it.
TEST(File, SaysWhichPathAndWhy) {
    const auto directory = TempDir::make("base");
    ASSERT_TRUE(directory);
    const fs::path missing = directory->path() / "nowhere" / "file";
    const auto read = read_file(missing);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Errc::not_found);
    EXPECT_EQ(read.error().message, missing.string() + ": No such file or directory");
    const auto written = write_file(missing, "x");
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, Errc::not_found);
    EXPECT_EQ(written.error().message, missing.string() + ": No such file or directory");

    const auto directory_read = read_file(directory->path());
    ASSERT_FALSE(directory_read);
    EXPECT_EQ(directory_read.error().code, Errc::io);
}

// A name that cannot be replaced leaves no temporary file beside it.
TEST(File, CleansUpWhenItCannotReplace) {
    const auto directory = TempDir::make("base");
    ASSERT_TRUE(directory);
    fs::create_directories(directory->path() / "taken" / "inside");
    EXPECT_FALSE(write_file(directory->path() / "taken", "x"));
    EXPECT_EQ(entries(directory->path()), 1u);
}

TEST(File, MapsErrnoToCodes) {
    EXPECT_EQ(errno_error("x", ENOENT).code, Errc::not_found);
    EXPECT_EQ(errno_error("x", ENOTDIR).code, Errc::not_found);
    EXPECT_EQ(errno_error("x", EACCES).code, Errc::permission_denied);
    EXPECT_EQ(errno_error("x", EROFS).code, Errc::permission_denied);
    EXPECT_EQ(errno_error("x", EEXIST).code, Errc::already_exists);
    EXPECT_EQ(errno_error("x", EIO).code, Errc::io);
    EXPECT_EQ(errno_error("socket", EIO).message, "socket: Input/output error");
}

}  // namespace
}  // namespace crucible::base
