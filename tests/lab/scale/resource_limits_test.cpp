#include "lab/scale/resource_limits.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace crucible::lab {
namespace {

LimitUse descriptors(double used, double limit = 90) {
    return {"descriptors", "RLIMIT_NOFILE", "pid 71", "1", used, limit, {}};
}

std::vector<LimitPoint> measured(const std::vector<std::pair<double, double>>& all) {
    std::vector<LimitPoint> points;
    for (const auto& [load, used] : all) points.push_back({load, {descriptors(used)}});
    return points;
}

// The ends are the roots of Fieller's inequality, found by bisection elsewhere.
TEST(ForecastLimits, SaysAtWhatLoadALimitWouldBind) {
    const auto points = measured({{100, 21}, {200, 29}, {300, 42}, {400, 48}, {500, 62}});
    const auto forecasts = forecast_limits(points);
    ASSERT_EQ(forecasts.size(), 1U);
    const auto& forecast = forecasts.front();
    ASSERT_TRUE(forecast.binds_at) << forecast.refused;
    EXPECT_NEAR(*forecast.binds_at, 791.0891089108911, 1e-6);
    EXPECT_NEAR(forecast.ci_low, 702.2989640297048, 1e-6);
    ASSERT_TRUE(forecast.ci_high);
    EXPECT_NEAR(*forecast.ci_high, 924.3903730236644, 1e-6);
}

// 10 + load / 10 reaches 90 at 800, and nothing else fits.
TEST(ForecastLimits, KnowsAStraightLineExactly) {
    const auto forecasts = forecast_limits(measured({{100, 20}, {200, 30}, {400, 50}}));
    ASSERT_TRUE(forecasts.front().binds_at);
    EXPECT_NEAR(*forecasts.front().binds_at, 800, 1e-6);
    EXPECT_NEAR(forecasts.front().ci_low, 800, 1e-3);
    EXPECT_NEAR(*forecasts.front().ci_high, 800, 1e-3);
}

// A line through noise, through two points or to the end of the world is no forecast.
TEST(ForecastLimits, RefusesWhatTheDataDoNotCarry) {
    const auto refusal = [](const std::vector<LimitPoint>& points) {
        const auto forecasts = forecast_limits(points);
        EXPECT_FALSE(forecasts.front().binds_at);
        return forecasts.front().refused;
    };
    EXPECT_EQ(refusal(measured({{100, 20}, {200, 20}, {400, 20}})),
              "its use does not grow with the load");
    EXPECT_EQ(refusal(measured({{100, 20}, {200, 24}, {300, 19}, {400, 22}})),
              "its use does not grow with the load");
    EXPECT_EQ(refusal(measured({{100, 50}, {200, 40}, {400, 20}})),
              "its use does not grow with the load");
    EXPECT_EQ(refusal(measured({{100, 20}, {200, 30}, {200, 31}})),
              "measured at 2 loads; a line takes 3");
    EXPECT_EQ(refusal(measured({{100, 20}, {200, 20.1}, {400, 20.3}})),
              "beyond 10 times the greatest load measured: a straight line says nothing there");
    EXPECT_EQ(refusal(measured({{100, 20}, {200, 30}, {400, 90}})), "it is used up already");
    auto unlimited = measured({{100, 20}, {200, 30}, {400, 50}});
    for (auto& point : unlimited) {
        point.uses.front().limit.reset();
        point.uses.front().why_absent = "no limit";
    }
    EXPECT_EQ(refusal(unlimited), "no limit");
}

// Which is nearest is asked at the greatest load, wherever it stands in the list.
TEST(ForecastLimits, PutsTheNearestFirst) {
    LimitUse memory{"memory", "MemAvailable", "the machine", "B", 800, 1000, {}};
    LimitUse disk{"disk", "free space", "file system of /", "B", {}, {}, "no directory"};
    std::vector<LimitPoint> points;
    points.push_back({400, {disk, descriptors(45), memory}});
    memory.used = 100;
    points.push_back({100, {disk, descriptors(80), memory}});
    const auto forecasts = forecast_limits(points);
    ASSERT_EQ(forecasts.size(), 3U);
    EXPECT_EQ(forecasts[0].at_breaking_point.name, "memory");
    EXPECT_DOUBLE_EQ(*forecasts[0].at_breaking_point.share(), 0.8);
    EXPECT_EQ(forecasts[1].at_breaking_point.name, "descriptors");
    EXPECT_EQ(forecasts[2].at_breaking_point.name, "disk");
    EXPECT_EQ(forecasts[2].refused, "no directory");
    EXPECT_TRUE(forecast_limits({}).empty());
}

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
