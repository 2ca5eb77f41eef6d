#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>

#include "base/clock.h"
#include "lab/record/child.h"
#include "lab/record/fake_root.h"
#include "lab/record/resources.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

const MonitorOptions kFull{.interval = 10ms, .depth = Depth::full};
constexpr std::size_t kTaken = 32 << 20;

double seconds_of(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

/// Until `more` further samples of everything have been begun and taken after this call.
void wait_for_full_samples(const ResourceMonitor& monitor, std::uint64_t more) {
    const auto want = monitor.costly_samples() + more;
    const auto limit = base::monotonic_now() + 30s;
    while (monitor.costly_samples() < want) {
        ASSERT_LT(base::monotonic_now(), limit) << "the monitor takes no samples";
        std::this_thread::yield();
    }
}

const ResourceFigure& figure_of(const ProcessResources& process, ResourceMetric metric) {
    return *find_figure(process.figures, metric);
}

ResourceSummary summary_of(const ProcessResources& process, ResourceMetric metric) {
    const auto& figure = figure_of(process, metric);
    EXPECT_TRUE(figure.summary) << kind_of(metric).name << ": " << figure.why_absent;
    return figure.summary.value_or(ResourceSummary{});
}

// Two processes that do different things have different figures, each its own; together they are
// the usage.
TEST(ResourceReport, HasEachProcessByItself) {
    Child worker([](const ChildSide& side) {
        side.burn_cpu(50ms);
        side.tell(0);
        side.wait();
        const auto before = side.cpu_used();
        side.burn_cpu(200ms);
        side.tell((side.cpu_used() - before).count());
        side.wait();
    });
    Child taker([](const ChildSide& side) {
        side.tell(0);
        side.wait();
        void* const block = ::mmap(nullptr, kTaken, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        for (int i = 0; i < 5; ++i) static_cast<void>(::dup(STDERR_FILENO));
        side.tell(block != MAP_FAILED ? 1 : 0);
        side.wait();
    });
    worker.hear();
    taker.hear();
    auto monitor =
        ResourceMonitor::start({{worker.pid(), "system"}, {taker.pid(), "harness"}}, kFull);
    ASSERT_TRUE(monitor) << monitor.error().message;
    worker.go();
    taker.go();
    const double own = seconds_of(Duration(worker.hear()));
    ASSERT_EQ(taker.hear(), 1);
    wait_for_full_samples(**monitor, 2);
    const auto report = (*monitor)->report();
    const auto usage = (*monitor)->stop();

    ASSERT_EQ(report.processes.size(), 2u);
    const auto& [first, second] = std::tie(report.processes[0], report.processes[1]);
    EXPECT_EQ(first.pid, worker.pid());
    EXPECT_EQ(first.role, "system");
    EXPECT_EQ(second.role, "harness");
    EXPECT_EQ(first.command, std::string("test_lab_record").substr(0, 15));
    EXPECT_FALSE(first.ended.has_value());
    const auto& cpu = figure_of(first, ResourceMetric::cpu);
    EXPECT_NEAR(cpu.total(), own, 0.02 * own);
    EXPECT_NEAR(cpu.summary->mean * seconds_of(cpu.summary->end - cpu.summary->begin), own,
                0.02 * own);
    EXPECT_GE(cpu.summary->peak, cpu.summary->mean);
    EXPECT_LT(figure_of(second, ResourceMetric::cpu).total(), own / 2);
    EXPECT_NEAR(cpu.total() + figure_of(second, ResourceMetric::cpu).total(), seconds_of(usage.cpu),
                1e-9);
    const auto memory = summary_of(second, ResourceMetric::memory_pss);
    EXPECT_NEAR(memory.last - memory.first, static_cast<double>(kTaken), 2 << 20);
    EXPECT_NEAR(memory.peak, memory.last, 2 << 20);
    EXPECT_GT(memory.mean, memory.first);
    EXPECT_LT(memory.mean, memory.last);
    const auto descriptors = summary_of(second, ResourceMetric::descriptors);
    EXPECT_EQ(descriptors.last - descriptors.first, 5);
    EXPECT_EQ(summary_of(first, ResourceMetric::descriptors).peak,
              summary_of(first, ResourceMetric::descriptors).first);
    for (const auto& process : report.processes) {
        for (const auto& figure : process.figures)
            EXPECT_NE(figure.summary.has_value(), !figure.why_absent.empty())
                << kind_of(figure.metric).name;
    }
}

// What watching costs is part of the result: its CPU time, which is on the harness's account, and
// its memory, all of which is made at the start.
TEST(ResourceReport, HasTheSamplersOwnCost) {
    auto monitor = ResourceMonitor::start({{::getpid(), "harness"}}, kFull);
    ASSERT_TRUE(monitor) << monitor.error().message;
    wait_for_full_samples(**monitor, 3);
    const auto report = (*monitor)->report();
    const auto& sampler = report.sampler;
    EXPECT_GT(sampler.costly_cpu, Duration::zero());
    EXPECT_GT(sampler.cpu, sampler.costly_cpu);
    EXPECT_GT(sampler.wall, Duration::zero());
    EXPECT_GE(sampler.costly_samples, 5u);
    EXPECT_GE(sampler.samples, sampler.costly_samples);
    EXPECT_GE(report.processes[0].figures.front().total(), seconds_of(sampler.costly_cpu) / 2);
    std::size_t series = 0;
    for (const auto& figure : report.processes[0].figures) series += figure.summary ? 1 : 0;
    EXPECT_GE(sampler.series_bytes, series * ResourceSeries::kPointsMax * sizeof(ResourcePoint));
    EXPECT_EQ(report.interval, 10ms);
    EXPECT_GT(report.wall, Duration::zero());
}

// Its memory is gone with it, but that is not what it used: the figures end where it ended, and
// with what it had used by then.
TEST(ResourceReport, EndsTheFiguresOfAProcessThatDied) {
    Child child([](const ChildSide& side) {
        side.tell(0);
        side.wait();
        const auto before = side.cpu_used();
        side.burn_cpu(60ms);
        side.tell((side.cpu_used() - before).count());
    });
    child.hear();
    auto monitor =
        ResourceMonitor::start({{child.pid(), "system"}, {::getpid(), "harness"}}, kFull);
    ASSERT_TRUE(monitor) << monitor.error().message;
    child.go();
    const double own = seconds_of(Duration(child.hear()));
    child.wait_for_end_without_reaping();
    wait_for_full_samples(**monitor, 2);
    child.reap();
    wait_for_full_samples(**monitor, 2);
    const auto report = (*monitor)->report();
    const auto& died = report.processes[0];
    ASSERT_TRUE(died.ended.has_value());
    EXPECT_LT(*died.ended, report.wall);
    EXPECT_FALSE(report.processes[1].ended.has_value());
    // Found as a zombie, whose CPU time is final; its exit is on its account, too.
    EXPECT_GE(figure_of(died, ResourceMetric::cpu).total(), 0.98 * own);
    EXPECT_LE(figure_of(died, ResourceMetric::cpu).total(), own + 0.02);
    const auto memory = summary_of(died, ResourceMetric::memory_rss);
    EXPECT_GT(memory.last, 0);
    EXPECT_LE(memory.end, *died.ended);
    EXPECT_GT(summary_of(died, ResourceMetric::threads).last, 0);
    EXPECT_GT(summary_of(report.processes[1], ResourceMetric::memory_rss).end, *died.ended);
}

// On its way to its end it has no memory any more while its counters still grow: the first is no
// figure of what it used, the second is.
TEST(ResourceReport, LeavesOutTheMemoryOfAProcessGoing) {
    FakeRoot root;
    const auto write_stat = [&](std::string_view faults, std::string_view memory) {
        root.write_process("stat", fmt::format("1 (a) R 1 1 1 0 -1 4194304 {} 0 7 0 12 34 0 0 20 0 "
                                               "3 0 1 {} {} 1",
                                               faults, memory, memory));
    };
    write_stat("100", "25");
    root.write_process("smaps_rollup", "Pss: 80 kB\nSwap: 0 kB\n");
    const MonitorOptions options{.interval = 10ms, .depth = Depth::full, .root = root.path()};
    auto monitor = ResourceMonitor::start({{::getpid(), "system"}}, options);
    ASSERT_TRUE(monitor) << monitor.error().message;
    wait_for_full_samples(**monitor, 2);
    write_stat("130", "0");
    wait_for_full_samples(**monitor, 2);
    root.write_process("smaps_rollup", "Pss: 0 kB\nSwap: 0 kB\n");
    wait_for_full_samples(**monitor, 2);
    const auto report = (*monitor)->report();
    const auto& process = report.processes.at(0);
    EXPECT_EQ(summary_of(process, ResourceMetric::memory_rss).last, 25 * 4096);
    EXPECT_EQ(figure_of(process, ResourceMetric::faults_minor).total(), 30);
    EXPECT_EQ(summary_of(process, ResourceMetric::memory_pss).last, 80 * 1024);
}

// A machine without this and that: each figure says what is missing, and nothing is zero.
TEST(ResourceReport, SaysWhatCouldNotBeRead) {
    FakeRoot root;
    root.write_process("stat",
                       "1 (a) S 1 1 1 0 -1 4194304 210 0 7 0 12 34 0 0 20 0 3 0 1 1000 25 1");
    root.write_process("comm", "fake\n");
    root.write_process("task/7/status",
                       "voluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t6\n");
    root.write("proc/pressure/cpu", "some avg10=0 total=1000000\n");
    const MonitorOptions options{.interval = 10ms, .depth = Depth::full, .root = root.path()};
    auto monitor = ResourceMonitor::start({{::getpid(), "system"}}, options);
    ASSERT_TRUE(monitor) << monitor.error().message;
    wait_for_full_samples(**monitor, 2);
    root.write("proc/pressure/cpu", "some avg10=0 total=1500000\n");
    wait_for_full_samples(**monitor, 2);
    const auto report = (*monitor)->report();
    const auto& process = report.processes.at(0);
    EXPECT_EQ(process.command, "fake");
    EXPECT_EQ(process.why_no_cgroup, "this kernel has no cgroups");
    EXPECT_TRUE(report.cgroups.empty());
    EXPECT_EQ(summary_of(process, ResourceMetric::threads).peak, 3);
    EXPECT_EQ(summary_of(process, ResourceMetric::switches_voluntary).last, 5);
    for (const auto metric : {ResourceMetric::memory_pss, ResourceMetric::memory_swap,
                              ResourceMetric::read, ResourceMetric::storage_written,
                              ResourceMetric::run_queue_delay, ResourceMetric::descriptors}) {
        EXPECT_FALSE(figure_of(process, metric).summary.has_value()) << kind_of(metric).name;
        EXPECT_TRUE(figure_of(process, metric).why_absent.starts_with("this kernel has no /proc/"))
            << figure_of(process, metric).why_absent;
    }
    EXPECT_DOUBLE_EQ(find_figure(report.machine, ResourceMetric::pressure_cpu_some)->total(), 0.5);
    EXPECT_FALSE(find_figure(report.machine, ResourceMetric::pressure_io_some)->summary);
    // A peak of memory that nobody read is not one of zero bytes.
    EXPECT_EQ((*monitor)->stop().memory_samples, 0u);
    // A trial needs the memory: it is refused rather than measured without.
    const MonitorOptions usage{.interval = 10ms, .depth = Depth::usage, .root = root.path()};
    const auto refused = ResourceMonitor::start({{::getpid(), "system"}}, usage);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::unsupported);
}

// Processes of one cgroup share its figures: they are not shown for each of them again.
TEST(ResourceReport, HasACgroupOnce) {
    FakeRoot root;
    root.write_process("stat",
                       "1 (a) S 1 1 1 0 -1 4194304 210 0 7 0 12 34 0 0 20 0 3 0 1 1000 25 1");
    root.write_process("cgroup", "0::/unit\n");
    root.write("proc/self/mountinfo", "29 22 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
    root.write("cg/unit/memory.max", "1000000\n");
    root.write("cg/unit/memory.current", "400000\n");
    const MonitorOptions options{.interval = 10ms, .depth = Depth::full, .root = root.path()};
    auto monitor =
        ResourceMonitor::start({{::getpid(), "system"}, {::getpid(), "harness"}}, options);
    ASSERT_TRUE(monitor) << monitor.error().message;
    const auto report = (*monitor)->report();
    ASSERT_EQ(report.cgroups.size(), 1u);
    const auto& cgroup = report.cgroups[0];
    EXPECT_EQ(cgroup.name, "/unit");
    EXPECT_EQ(cgroup.pids.size(), 2u);
    EXPECT_EQ(cgroup.limits.memory_max_bytes.value, 1'000'000);
    EXPECT_EQ(find_figure(cgroup.figures, ResourceMetric::cgroup_memory)->summary->peak, 400'000);
    EXPECT_FALSE(find_figure(cgroup.figures, ResourceMetric::throttled)->summary);
    EXPECT_EQ(report.processes[0].why_no_cgroup, "");
}

// What every trial does stays as cheap as it is: nothing else is opened or kept.
TEST(ResourceReport, IsEmptyOfWhatWasNotAskedFor) {
    auto monitor = ResourceMonitor::start({::getpid()}, 10ms);
    ASSERT_TRUE(monitor);
    const auto report = (*monitor)->report();
    EXPECT_TRUE(report.processes.empty());
    EXPECT_TRUE(report.machine.empty());
    EXPECT_TRUE(report.cgroups.empty());
    EXPECT_EQ(report.sampler.series_bytes, 0u);
    EXPECT_GE(report.sampler.samples, 2u);
    EXPECT_GT(report.sampler.cpu, Duration::zero());
}

}  // namespace
}  // namespace crucible::lab
