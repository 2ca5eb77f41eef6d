// What is said of processes that have no counts: real ones, each with its own reason.
#include "alloc/why_not_counted.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <optional>
#include <string>

#include "alloc/mapped_region.h"
#include "alloc/region.h"
#include "alloc/watched.h"

namespace crucible::alloc {
namespace {

using namespace std::chrono_literals;

constexpr uid_t kNobody = 65534;

/// A program that runs and waits, as long as this lives.
struct Waiting {
    base::TempDir directory = region_directory();
    std::optional<base::Process> process;

    explicit Waiting(const std::vector<std::string>& command, const Watch& watch = {}) {
        const auto output = directory.path() / "output";
        auto started = base::Process::start(
            {.arguments = watched(command, directory.path(), watch), .standard_output = output});
        EXPECT_TRUE(started) << started.error().message;
        process.emplace(std::move(*started));
        const auto limit = std::chrono::steady_clock::now() + 60s;
        while (base::read_file(output).value_or("") != "ready\n") {
            if (std::chrono::steady_clock::now() > limit || process->wait(0s)) {
                ADD_FAILURE() << command.back() << " did not begin to wait";
                return;
            }
            ::sched_yield();
        }
    }

    std::string reason(const std::filesystem::path& where) const {
        const Error error = why_not_counted(where, process->pid());
        EXPECT_EQ(to_string(error.code), to_string(Errc::not_found));
        const auto begin = fmt::format("process {}: ", process->pid());
        EXPECT_TRUE(error.message.starts_with(begin)) << error.message;
        return error.message.substr(std::min(begin.size(), error.message.size()));
    }
    std::string reason() const { return reason(directory.path()); }
};

constexpr const char* kNoFile = "the allocation tracker could make no file for its counts";

TEST(WhyNotCounted, AStaticProgram) {
    EXPECT_EQ(Waiting({kPrograms / "waits_static"}).reason(),
              "it is a static program, into which the allocation tracker cannot be loaded");
}

TEST(WhyNotCounted, StartedWithout) {
    EXPECT_EQ(Waiting({kPrograms / "waits"}, {.tracker = Tracker::absent}).reason(),
              "it was started without the allocation tracker");
    EXPECT_EQ(Waiting({"/usr/bin/env", "-u", "LD_PRELOAD", kPrograms / "waits"}).reason(),
              "it was started without the allocation tracker");
}

TEST(WhyNotCounted, ASetuidProgram) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can make one";
    const auto program = kPrograms / "waits_setuid";
    std::filesystem::remove(program);
    std::filesystem::copy_file(kPrograms / "waits", program);
    ASSERT_EQ(::chown(program.c_str(), kNobody, kNobody), 0) << std::strerror(errno);
    ASSERT_EQ(::chmod(program.c_str(), 04755), 0) << std::strerror(errno);
    struct statvfs system {};
    ASSERT_EQ(::statvfs(program.c_str(), &system), 0);
    if ((system.f_flag & ST_NOSUID) != 0) GTEST_SKIP() << "a file system without setuid programs";
    EXPECT_EQ(Waiting({program}).reason(),
              "it is a setuid program or has capabilities, and the loader ignores the allocation "
              "tracker");
    std::filesystem::remove(program);
}

// As a user whose own target is of another one sees it.
TEST(WhyNotCounted, AnotherUsersProgram) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can be another user";
    const Waiting waiting({kPrograms / "waits"});
    ASSERT_EQ(::seteuid(kNobody), 0);
    const std::string reason = waiting.reason();
    ASSERT_EQ(::seteuid(0), 0);
    EXPECT_EQ(reason,
              "it is a setuid program or another user's, and what it runs may not be looked at");
}

// One that gives up its rights, as daemons do, and then executes another program.
TEST(WhyNotCounted, ADirectoryThatItMayNotWriteInto) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    // Where everybody may read them.
    const auto common = region_directory();
    std::filesystem::permissions(common.path(), std::filesystem::perms{0755});
    std::filesystem::copy_file(kPrograms / "waits", common.path() / "waits");
    const auto tracker = common.path() / std::filesystem::path(kTracker).filename();
    std::filesystem::copy_file(kTracker, tracker);
    const Waiting waiting(
        {"/usr/bin/setpriv", "--reuid=65534", "--clear-groups", common.path() / "waits"},
        {.tracker = Tracker::absent, .environment = {"LD_PRELOAD=" + tracker.string()}});
    EXPECT_EQ(waiting.reason(),
              fmt::format("{} in {}: it runs as user 65534, and the directory is user 0's", kNoFile,
                          waiting.directory.path().string()));
}

TEST(WhyNotCounted, FilesMayNotBeLargeEnough) {
    const Waiting waiting(
        {"/bin/bash", "-c", "ulimit -f 16 && exec \"$@\"", "bash", kPrograms / "waits"});
    EXPECT_EQ(waiting.reason(), fmt::format("{}: of {} bytes, where its files may have 16384 "
                                            "(ulimit -f)",
                                            kNoFile, sizeof(Region)));
}

TEST(WhyNotCounted, TheFileSystemIsFull) {
    const SmallFileSystem small("4k");
    if (!small.is_mounted) GTEST_SKIP() << "no tmpfs may be mounted here";
    const std::string where = small.directory.path().string();
    const Waiting waiting({kPrograms / "waits"},
                          {.environment = {"CRUCIBLE_ALLOC_DIRECTORY=" + where}});
    EXPECT_EQ(waiting.reason(where),
              fmt::format("{} in {}: 4096 bytes are free there", kNoFile, where));
}

// Whoever started it chose where its counts are: they are read there, and asked for elsewhere it is
// told where.
TEST(WhyNotCounted, OneThatCountsInAnotherDirectory) {
    const Waiting waiting({kPrograms / "waits"});
    const base::TempDir other = region_directory();
    const auto file = mapped_region(other.path(), waiting.process->pid());
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->parent_path(), waiting.directory.path());
    EXPECT_EQ(read_region(*file).pid, waiting.process->pid());
    EXPECT_EQ(waiting.reason(other.path()), "it counts in " + file->string());

    std::filesystem::remove(*file);
    EXPECT_FALSE(mapped_region(other.path(), waiting.process->pid()));
    EXPECT_EQ(waiting.reason(other.path()),
              "the file of its counts, " + file->string() + ", was removed");
}

TEST(WhyNotCounted, OneThatWasToldNoDirectory) {
    const base::TempDir other = region_directory();
    for (const std::string named : {"", "relative"}) {
        const Waiting waiting({kPrograms / "waits"},
                              {.environment = {"CRUCIBLE_ALLOC_DIRECTORY=" + named}});
        EXPECT_EQ(waiting.reason(other.path()),
                  "it has the allocation tracker, but was started without an absolute path in "
                  "CRUCIBLE_ALLOC_DIRECTORY, and counts for itself alone");
    }
}

// The reason is of the directory that it was told, not of the one that is looked into.
TEST(WhyNotCounted, OneWhoseOwnDirectoryIsFull) {
    const SmallFileSystem small("4k");
    if (!small.is_mounted) GTEST_SKIP() << "no tmpfs may be mounted here";
    const std::string where = small.directory.path().string();
    const Waiting waiting({kPrograms / "waits"},
                          {.environment = {"CRUCIBLE_ALLOC_DIRECTORY=" + where}});
    EXPECT_EQ(waiting.reason(), fmt::format("{} in {}: 4096 bytes are free there", kNoFile, where));
}

TEST(MappedRegion, IsFoundAmongWhatIsMapped) {
    const auto found = find_mapped_region(
        "7f00-7f01 r-xp 00000000 00:1b 12 /usr/lib/libc.so.6\n"
        "7f02-7f03 rw-s 00000000 00:1b 13 /dev/shm/a b/x.alloc\n"
        "7f02-7f03 rw-s 00000000 00:1b 14 /dev/shm/a b/12-x.alloc\n"
        "7f04-7f05 rw-s 00000000 00:1b 15 /dev/shm/a b/12-3.alloc (deleted)\n"
        "7f06-7f07 rw-p 00000000 00:00 0 [stack]");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->path, "/dev/shm/a b/12-3.alloc");
    EXPECT_EQ(found->writer, 12);
    EXPECT_TRUE(found->is_removed);
    EXPECT_FALSE(find_mapped_region("7f06-7f07 rw-p 00000000 00:00 0 [stack]\n"));
    for (const auto* name :
         {"", "12", "12-", "-1.alloc", "12-3.alloc2", "12-3.stacks", "x-3.alloc"})
        EXPECT_FALSE(writer_of(name)) << name;
}

TEST(WhyNotCounted, OneThatHasEnded) {
    Waiting waiting({kPrograms / "waits"});
    waiting.process->signal(SIGKILL);
    const base::TempDir other = region_directory();
    // Not reaped yet, or reaped.
    ASSERT_TRUE(waiting.process->wait(60s));
    EXPECT_EQ(waiting.reason(other.path()), "it has ended, and left no counts");
}

}  // namespace
}  // namespace crucible::alloc
