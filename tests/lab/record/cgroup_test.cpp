#include "lab/record/cgroup.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "lab/record/fake_root.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kV2Mount =
    "29 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr std::string_view kV1Mounts =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "34 31 0:31 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";

Result<Cgroup> find_in(const FakeRoot& root) {
    return Cgroup::find(::getpid(), root.path());
}

void write_v2(const FakeRoot& root) {
    root.write_process("cgroup", "0::/app.slice/daemon.service\n");
    root.write("proc/self/mountinfo", kV2Mount);
    const std::string top = "sys/fs/cgroup/";
    const auto slice = top + "app.slice/";
    const auto own = slice + "daemon.service/";
    root.write(own + "memory.max", "1073741824\n");
    root.write(own + "memory.high", "max\n");
    root.write(own + "memory.current", "41943040\n");
    root.write(own + "cpu.max", "max 100000\n");
    root.write(own + "cpu.stat", "usage_usec 9\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n");
    root.write(own + "pids.max", "max\n");
    root.write(own + "pids.current", "9\n");
    root.write(own + "cpu.pressure", "some avg10=0 total=2500000\nfull avg10=0 total=500000\n");
    root.write(own + "memory.pressure", "some avg10=0 total=0\nfull avg10=0 total=0\n");
    root.write(slice + "memory.max", "536870912\n");
    root.write(slice + "memory.high", "268435456\n");
    root.write(slice + "memory.current", "52428800\n");
    root.write(slice + "cpu.max", "150000 100000\n");
    root.write(slice + "cpu.stat", "usage_usec 9\nnr_throttled 7\nthrottled_usec 1500\n");
    root.write(slice + "pids.max", "100\n");
    root.write(slice + "pids.current", "12\n");
}

// A limit on a level above holds as well: the tightest is the one that is hit first, and what is
// used counts on its level.
TEST(Cgroup, V2HasTheTightestLimitOfAllLevels) {
    FakeRoot root;
    write_v2(root);
    const auto cgroup = find_in(root);
    ASSERT_TRUE(cgroup) << cgroup.error().message;
    EXPECT_EQ(cgroup->where().name, "/app.slice/daemon.service");
    EXPECT_EQ(cgroup->where().version, "v2");
    const auto& limits = cgroup->limits();
    EXPECT_EQ(limits.memory_max_bytes.value, 536870912);
    EXPECT_EQ(limits.memory_high_bytes.value, 268435456);
    EXPECT_EQ(limits.cpu_max_cores.value, 1.5);
    EXPECT_EQ(limits.pids_max.value, 100);
    const auto reading = cgroup->read();
    EXPECT_EQ(reading.memory_bytes.value(), 52428800u);
    EXPECT_EQ(reading.pids.value(), 12u);
    EXPECT_EQ(reading.throttling.value().periods, 7u);
    EXPECT_EQ(reading.throttling.value().stopped, 1500us);
    EXPECT_DOUBLE_EQ(reading.cpu.value().some_seconds, 2.5);
    EXPECT_DOUBLE_EQ(reading.cpu.value().full_seconds.value(), 0.5);
    ASSERT_FALSE(reading.io);
    EXPECT_NE(reading.io.error().message.find("io.pressure"), std::string::npos);
}

TEST(Cgroup, V2WithoutLimitsSaysSo) {
    FakeRoot root;
    write_v2(root);
    for (const std::string level : {"", "daemon.service/"}) {
        for (const std::string file : {"memory.max", "memory.high", "pids.max"})
            root.write("sys/fs/cgroup/app.slice/" + level + file, "max\n");
        root.write("sys/fs/cgroup/app.slice/" + level + "cpu.max", "max 100000\n");
    }
    const auto cgroup = find_in(root);
    ASSERT_TRUE(cgroup);
    for (const auto* limit :
         {&cgroup->limits().memory_max_bytes, &cgroup->limits().memory_high_bytes,
          &cgroup->limits().cpu_max_cores, &cgroup->limits().pids_max}) {
        EXPECT_FALSE(limit->value.has_value());
        EXPECT_TRUE(limit->unlimited);
        EXPECT_EQ(limit->why_absent, "no limit");
    }
    const auto reading = cgroup->read();
    EXPECT_EQ(reading.memory_bytes.value(), 41943040u);  // its own level's
    ASSERT_FALSE(reading.throttling);
    EXPECT_EQ(reading.throttling.error().message, "no limit");
}

// The topmost cgroup of version 2 has none of these files: that is no limit read as zero, nor one
// called unlimited.
TEST(Cgroup, TheTopmostHasNoFigures) {
    FakeRoot root;
    root.write_process("cgroup", "0::/\n");
    root.write("proc/self/mountinfo", kV2Mount);
    root.write("sys/fs/cgroup/cgroup.procs", "");
    const auto cgroup = find_in(root);
    ASSERT_TRUE(cgroup) << cgroup.error().message;
    EXPECT_FALSE(cgroup->limits().memory_max_bytes.value.has_value());
    EXPECT_FALSE(cgroup->limits().memory_max_bytes.unlimited);
    EXPECT_NE(cgroup->limits().memory_max_bytes.why_absent.find("topmost"), std::string::npos);
    const auto reading = cgroup->read();
    EXPECT_EQ(reading.memory_bytes.error().code, Errc::unsupported);
    EXPECT_EQ(reading.pids.error().code, Errc::unsupported);
}

void write_v1(const FakeRoot& root) {
    root.write_process("cgroup", "4:pids:/jobs\n3:memory:/jobs/one\n2:cpu,cpuacct:/jobs\n");
    root.write("proc/self/mountinfo", kV1Mounts);
    const std::string top = "sys/fs/cgroup/";
    root.write(top + "memory/memory.limit_in_bytes", "9223372036854771712\n");
    root.write(top + "memory/jobs/memory.limit_in_bytes", "9223372036854771712\n");
    root.write(top + "memory/jobs/one/memory.limit_in_bytes", "209715200\n");
    root.write(top + "memory/jobs/one/memory.usage_in_bytes", "1048576\n");
    root.write(top + "cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    root.write(top + "cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    root.write(top + "cpu,cpuacct/jobs/cpu.cfs_quota_us", "50000\n");
    root.write(top + "cpu,cpuacct/jobs/cpu.cfs_period_us", "100000\n");
    root.write(top + "cpu,cpuacct/jobs/cpu.stat",
               "nr_periods 90\nnr_throttled 30\nthrottled_time 12345678\n");
    root.write(top + "pids/jobs/pids.max", "max\n");
    root.write(top + "pids/jobs/pids.current", "4\n");
}

TEST(Cgroup, V1HasOtherFiles) {
    FakeRoot root;
    write_v1(root);
    const auto cgroup = find_in(root);
    ASSERT_TRUE(cgroup) << cgroup.error().message;
    EXPECT_EQ(cgroup->where().name, "/jobs/one");
    EXPECT_EQ(cgroup->where().version, "v1");
    EXPECT_EQ(cgroup->limits().memory_max_bytes.value, 209715200);
    EXPECT_FALSE(cgroup->limits().memory_high_bytes.value.has_value());
    EXPECT_FALSE(cgroup->limits().memory_high_bytes.unlimited);
    EXPECT_EQ(cgroup->limits().memory_high_bytes.why_absent, "cgroup v1 has none");
    EXPECT_EQ(cgroup->limits().cpu_max_cores.value, 0.5);
    EXPECT_TRUE(cgroup->limits().pids_max.unlimited);
    const auto reading = cgroup->read();
    EXPECT_EQ(reading.memory_bytes.value(), 1048576u);
    EXPECT_EQ(reading.pids.value(), 4u);
    EXPECT_EQ(reading.throttling.value().periods, 30u);
    EXPECT_EQ(reading.throttling.value().stopped, 12'345'678ns);
    EXPECT_EQ(reading.cpu.error().message, "only cgroup v2 has pressure");
}

// Version 1 writes a number of 19 digits where there is no limit: not to be shown as one.
TEST(Cgroup, V1WithoutLimitsSaysSo) {
    FakeRoot root;
    write_v1(root);
    root.write("sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", "9223372036854771712\n");
    root.write("sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_quota_us", "-1\n");
    const auto cgroup = find_in(root);
    ASSERT_TRUE(cgroup);
    EXPECT_TRUE(cgroup->limits().memory_max_bytes.unlimited);
    EXPECT_TRUE(cgroup->limits().cpu_max_cores.unlimited);
    EXPECT_EQ(cgroup->read().throttling.error().code, Errc::not_found);
}

// systemd's hybrid: controllers in version 1, and a tree of version 2 beside them, which has the
// pressure.
TEST(Cgroup, HybridTakesEachFromWhereItIs) {
    FakeRoot root;
    write_v1(root);
    root.write_process("cgroup", "3:memory:/jobs/one\n2:cpu,cpuacct:/jobs\n0::/unit\n");
    root.write("proc/self/mountinfo",
               std::string(kV1Mounts) +
                   "41 31 0:38 / /sys/fs/cgroup/my\\040unified rw - cgroup2 cgroup2 rw\n");
    root.write("sys/fs/cgroup/my unified/unit/io.pressure",
               "some avg10=0 total=1000000\nfull avg10=0 total=0\n");
    root.write("sys/fs/cgroup/my unified/unit/pids.current", "3\n");
    root.write("sys/fs/cgroup/my unified/unit/pids.max", "64\n");
    const auto cgroup = find_in(root);
    ASSERT_TRUE(cgroup) << cgroup.error().message;
    EXPECT_EQ(cgroup->where().version, "hybrid");
    EXPECT_EQ(cgroup->where().name, "/unit");
    EXPECT_EQ(cgroup->limits().memory_max_bytes.value, 209715200);
    EXPECT_EQ(cgroup->limits().pids_max.value, 64);
    const auto reading = cgroup->read();
    EXPECT_EQ(reading.pids.value(), 3u);
    EXPECT_DOUBLE_EQ(reading.io.value().some_seconds, 1);
}

// In a container that has the host's names, and its own cgroup alone mounted.
TEST(Cgroup, FindsAContainersOwn) {
    FakeRoot root;
    root.write_process("cgroup", "0::/docker/abc/inner\n");
    root.write("proc/self/mountinfo",
               "29 22 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n");
    root.write("sys/fs/cgroup/memory.max", "1000000\n");
    root.write("sys/fs/cgroup/memory.current", "500000\n");
    root.write("sys/fs/cgroup/inner/memory.max", "max\n");
    const auto cgroup = find_in(root);
    ASSERT_TRUE(cgroup) << cgroup.error().message;
    EXPECT_EQ(cgroup->limits().memory_max_bytes.value, 1000000);
    EXPECT_EQ(cgroup->read().memory_bytes.value(), 500000u);
}

TEST(Cgroup, IsAbsentWithAReason) {
    FakeRoot root;
    EXPECT_EQ(find_in(root).error().code, Errc::not_found);
    root.write_process("stat", "1 (a) S");
    EXPECT_EQ(find_in(root).error().message, "this kernel has no cgroups");
    root.write_process("cgroup", "0::/a\n");
    EXPECT_EQ(find_in(root).error().message, "no cgroups are mounted here");
    root.write("proc/self/mountinfo", kV2Mount);
    EXPECT_EQ(find_in(root).error().message, "its cgroup is not visible here");
    root.write_process("cgroup", "0::/../other\n");
    const auto outside = find_in(root);
    EXPECT_EQ(outside.error().code, Errc::unsupported);
    EXPECT_EQ(outside.error().message, "its cgroup is outside of what is visible here");
}

// The real one, whatever it is here: a figure or a reason, and never both.
TEST(Cgroup, OfThisProcessIsReadOrExplained) {
    const auto cgroup = Cgroup::find(::getpid());
    if (!cgroup) GTEST_SKIP() << cgroup.error().message;
    for (const auto* limit :
         {&cgroup->limits().memory_max_bytes, &cgroup->limits().memory_high_bytes,
          &cgroup->limits().cpu_max_cores, &cgroup->limits().pids_max})
        EXPECT_NE(limit->value.has_value(), !limit->why_absent.empty());
    const auto reading = cgroup->read();
    EXPECT_TRUE(reading.memory_bytes ? *reading.memory_bytes > 0
                                     : !reading.memory_bytes.error().message.empty());
    EXPECT_TRUE(reading.pids ? *reading.pids > 0 : !reading.pids.error().message.empty());
}

}  // namespace
}  // namespace crucible::lab
