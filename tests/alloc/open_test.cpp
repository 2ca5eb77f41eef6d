// What a reader says of files that are not what it can read.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "alloc/region.h"
#include "alloc/stacks.h"
#include "alloc/watched.h"

namespace crucible::alloc {
namespace {

struct RegionFile {
    base::TempDir directory = region_directory();
    std::filesystem::path path = directory.path() / "1-0.alloc";

    /// Of that size, and beginning with these.
    explicit RegionFile(std::size_t bytes, std::uint64_t magic = 0,
                        std::uint32_t version = kFormatVersion,
                        std::uint64_t bytes_said = sizeof(Region)) {
        const base::UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        EXPECT_TRUE(file);
        struct Begin {
            std::uint64_t magic;
            std::uint32_t version, pid;
            std::uint64_t bytes;
        } const begin{magic, version, 1, bytes_said};
        EXPECT_EQ(::pwrite(file.get(), &begin, sizeof begin, 0),
                  static_cast<ssize_t>(sizeof begin));
        EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(bytes)), 0);
    }
};

void expect_refused(const std::filesystem::path& path, Errc code, const std::string& message) {
    const auto reader = RegionReader::open(path);
    ASSERT_FALSE(reader);
    EXPECT_EQ(to_string(reader.error().code), to_string(code));
    EXPECT_EQ(reader.error().message, path.string() + message);
}

// The system's own words, after the path.
TEST(RegionOpen, NoSuchFile) {
    expect_refused("/nonexistent/1-0.alloc", Errc::not_found, ": No such file or directory");
}

// Mapping it and reading would kill the reader.
TEST(RegionOpen, AnEmptyFile) {
    expect_refused(
        RegionFile(0).path, Errc::corrupt,
        fmt::format(": not an allocation region: 0 bytes instead of {}", sizeof(Region)));
}

// Cut off in the middle, it would be read beyond its end, which kills the reader.
TEST(RegionOpen, AFileOfTheWrongSize) {
    expect_refused(RegionFile(sizeof(Region) - 1, kMagic).path, Errc::corrupt,
                   fmt::format(": not an allocation region: {} bytes instead of {}",
                               sizeof(Region) - 1, sizeof(Region)));
}

// Its numbers would be taken for counts.
TEST(RegionOpen, SomethingElseOfTheRightSize) {
    expect_refused(RegionFile(sizeof(Region), 0x1234).path, Errc::corrupt,
                   ": not an allocation region");
}

// What is given by mistake: the directory of the regions.
TEST(RegionOpen, ADirectory) {
    const auto directory = region_directory();
    expect_refused(directory.path(), Errc::corrupt, ": not an allocation region");
}

// The files are for the process's own user.
TEST(RegionOpen, OfAnotherUsersProcess) {
    const RegionFile file(sizeof(Region), kMagic);
    const bool is_root = ::geteuid() == 0;
    if (is_root) {
        std::filesystem::permissions(file.directory.path(), std::filesystem::perms{0755});
        ASSERT_EQ(::seteuid(65534), 0);
    } else {
        std::filesystem::permissions(file.path, std::filesystem::perms::none);
    }
    expect_refused(file.path, Errc::permission_denied, ": Permission denied");
    const auto stacks = StacksReader::open(file.path);
    EXPECT_TRUE(!is_root || ::seteuid(0) == 0);
    ASSERT_FALSE(stacks);
    EXPECT_EQ(to_string(stacks.error().code), to_string(Errc::permission_denied));
    EXPECT_EQ(stacks.error().message, file.path.string() + ": Permission denied");
}

// It says itself that it has another size than it has.
TEST(RegionOpen, AFileThatContradictsItself) {
    expect_refused(RegionFile(sizeof(Region), kMagic, kFormatVersion, 77).path, Errc::corrupt,
                   ": not an allocation region");
}

// The tracker makes the file before it says that it is valid.
TEST(RegionOpen, OfAProcessThatHasNotBegun) {
    expect_refused(RegionFile(sizeof(Region)).path, Errc::not_found,
                   ": its process has not begun to count");
}

// Whatever its size: a newer one is likely to have another, and is not corrupt for that.
TEST(RegionOpen, ANewerVersion) {
    const auto message =
        fmt::format(": an allocation region of version {}; this crucible reads version {}",
                    kFormatVersion + 1, kFormatVersion);
    expect_refused(RegionFile(sizeof(Region), kMagic, kFormatVersion + 1).path, Errc::unsupported,
                   message);
    expect_refused(RegionFile(sizeof(Region) * 2, kMagic, kFormatVersion + 1).path,
                   Errc::unsupported, message);
    expect_refused(RegionFile(4096, kMagic, kFormatVersion + 1).path, Errc::unsupported, message);
}

// Without a tracker there is nothing to read, and no crash.
TEST(RegionOpen, OfThisProcess) {
    const auto reader = RegionReader::self();
    ASSERT_FALSE(reader);
    EXPECT_EQ(to_string(reader.error().code), to_string(Errc::not_found));
    EXPECT_EQ(reader.error().message, "the allocation tracker is not in this process");
}

/// Beyond the largest that Linux gives.
constexpr pid_t kNoProcess = 1 << 30;

// By number, not by text, and no other process's.
TEST(RegionOpen, TheNewestFileOfAProcess) {
    const auto directory = region_directory();
    for (const auto* const name : {"7-0.alloc", "7-9.alloc", "7-10.alloc", "77-11.alloc",
                                   "7-12.alloc2", "7-x.alloc", "7-13.other"})
        ASSERT_TRUE(base::write_file(directory.path() / name, ""));
    EXPECT_EQ(region_file(directory.path(), 7).value(), directory.path() / "7-10.alloc");
    const auto none = region_file(directory.path(), kNoProcess);
    ASSERT_FALSE(none);
    EXPECT_EQ(to_string(none.error().code), to_string(Errc::not_found));
    EXPECT_EQ(none.error().message,
              fmt::format("process {}: it has ended, and left no counts", kNoProcess));
}

}  // namespace
}  // namespace crucible::alloc
