#include "lab/record/limit_use.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace crucible::lab {
namespace {

const LimitUse& use_of(const std::vector<LimitUse>& uses, std::string_view kind) {
    const auto found = std::ranges::find(uses, kind, &LimitUse::kind);
    EXPECT_NE(found, uses.end()) << kind;
    return *found;
}

// Of this process, whose limits this test knows.
TEST(ReadLimits, ReadsWhatAProcessUsesAndMay) {
    const std::array pids{::getpid()};
    const auto folder = base::TempDir::make("limits");
    ASSERT_TRUE(folder);
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    const auto before = read_limits(pids, folder->path());
    const auto& descriptor_use = use_of(before, "RLIMIT_NOFILE");
    ASSERT_TRUE(descriptor_use.limit);
    EXPECT_EQ(*descriptor_use.limit, static_cast<double>(files.rlim_cur));
    EXPECT_EQ(descriptor_use.whose, fmt::format("pid {}", ::getpid()));
    std::array<int, 20> opened{};
    for (int& each : opened) each = ::dup(0);
    const auto after = read_limits(pids, folder->path());
    for (const int each : opened) ::close(each);
    EXPECT_EQ(*use_of(after, "RLIMIT_NOFILE").used - *descriptor_use.used, 20);
    for (const char* kind : {"MemAvailable", "threads-max", "tcp_mem", "free space"}) {
        const auto share = use_of(after, kind).share();
        ASSERT_TRUE(share) << kind << ": " << use_of(after, kind).why_absent;
        EXPECT_GE(*share, 0) << kind;
        EXPECT_LT(*share, 1) << kind;
    }
}

// Every limit of a kernel that sets them all; of two processes the one that is nearer to its own.
TEST(ReadLimits, KeepsTheProcessThatIsNearestToItsLimit) {
    const auto folder = base::TempDir::make("limits");
    ASSERT_TRUE(folder);
    const auto write = [&](const std::string& file, std::string_view content) {
        const auto path = folder->path() / file;
        std::filesystem::create_directories(path.parent_path());
        ASSERT_TRUE(base::write_file(path, content));
    };
    const auto process = [&](pid_t pid, int kib, int limit_bytes) {
        write(fmt::format("proc/{}/limits", pid),
              fmt::format("Limit                     Soft Limit           Hard Limit   Units\n"
                          "Max processes             100                  100          processes\n"
                          "Max open files            unlimited            unlimited    files\n"
                          "Max address space         {}              unlimited    bytes\n",
                          limit_bytes));
        write(fmt::format("proc/{}/status", pid),
              fmt::format("Name:\tx\nVmSize:\t {} kB\nUid:\t1000\t1000\nThreads:\t30\n", kib));
    };
    process(71, 10, 100 << 10);
    process(72, 60, 100 << 10);
    write("proc/meminfo", "MemTotal:   1000 kB\nMemAvailable:   250 kB\n");
    write("proc/loadavg", "0.20 0.18 0.12 1/80 11206\n");
    write("proc/sys/kernel/threads-max", "160\n");
    write("proc/net/sockstat", "sockets: used 9\nTCP: inuse 4 orphan 0 tw 0 alloc 6 mem 3\n");
    write("proc/sys/net/ipv4/tcp_mem", "4\t5\t6\n");
    const std::array pids{71, 72, 73};
    const auto uses = read_limits(pids, std::nullopt, folder->path());
    EXPECT_EQ(use_of(uses, "RLIMIT_AS").whose, "pid 72");
    EXPECT_DOUBLE_EQ(*use_of(uses, "RLIMIT_AS").share(), 0.6);
    EXPECT_DOUBLE_EQ(*use_of(uses, "RLIMIT_NPROC").share(), 0.6);
    EXPECT_DOUBLE_EQ(*use_of(uses, "MemAvailable").share(), 0.75);
    EXPECT_DOUBLE_EQ(*use_of(uses, "threads-max").share(), 0.5);
    EXPECT_DOUBLE_EQ(*use_of(uses, "tcp_mem").share(), 0.5);
    EXPECT_FALSE(use_of(uses, "RLIMIT_NOFILE").limit);
    EXPECT_EQ(use_of(uses, "free space").why_absent, "the system has no data directory of its own");
}

}  // namespace
}  // namespace crucible::lab
