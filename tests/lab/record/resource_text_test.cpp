#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "lab/record/resource_json.h"
#include "lab/record/resource_report.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

/// Over ten seconds, in one point.
ResourceFigure told(ResourceMetric metric, double first, double last, double peak) {
    const double mean = kind_of(metric).counter ? (last - first) / 10 : (first + last) / 2;
    return {
        metric, ResourceSummary{first, last, mean, peak, 101, 0s, 10s}, {}, {{10s, mean, peak}}};
}

ResourceFigure untold(ResourceMetric metric, std::string why) {
    return {metric, {}, std::move(why), {}};
}

ResourceReport example() {
    using enum ResourceMetric;
    constexpr double kMiB = 1 << 20;
    ProcessResources process{.pid = 1234, .role = "system", .command = "crucibled"};
    process.figures = {told(cpu, 1, 9.2, 1.43),
                       told(cpu_user, 0, 6, 1),
                       told(cpu_system, 0, 2.2, 0.5),
                       told(memory_pss, 30 * kMiB, 38 * kMiB, 40 * kMiB),
                       told(memory_rss, 40 * kMiB, 44 * kMiB, 44 * kMiB),
                       untold(memory_swap, "not read"),
                       told(faults_minor, 0, 12'345, 2'000),
                       told(faults_major, 0, 0, 0),
                       told(threads, 9, 9, 9),
                       told(descriptors, 20, 20, 24),
                       told(switches_voluntary, 0, 12'000, 1'500),
                       told(switches_involuntary, 0, 310, 90),
                       told(read, 0, 12 * kMiB, 2 * kMiB),
                       told(written, 0, 34 * kMiB, 4 * kMiB),
                       told(storage_read, 0, 0, 0),
                       told(storage_written, 0, 31 * kMiB, 4 * kMiB),
                       told(run_queue_delay, 0, 0.31, 0.2),
                       untold(cycles, "refused: perf_event_paranoid is 3"),
                       untold(instructions, "refused: perf_event_paranoid is 3")};
    CgroupResources cgroup{.name = "/app.slice/crucibled.service", .version = "v2", .pids = {1234}};
    cgroup.limits.memory_max_bytes.value = 512 * kMiB;
    cgroup.limits.memory_high_bytes = {{}, true, "no limit"};
    cgroup.limits.cpu_max_cores.value = 1.5;
    cgroup.limits.pids_max.why_absent = "Permission denied";
    cgroup.figures = {told(cgroup_memory, 50 * kMiB, 50 * kMiB, 50 * kMiB),
                      told(cgroup_pids, 9, 9, 9),
                      told(throttled_periods, 5, 12, 2),
                      told(throttled, 0.1, 0.125, 0.02),
                      told(pressure_cpu_some, 0, 0.5, 0.2),
                      told(pressure_cpu_full, 0, 0.1, 0.1)};
    ResourceReport report{.wall = 10s, .interval = 100ms};
    report.processes = {process};
    report.machine = {told(pressure_cpu_some, 3, 4, 0.4),
                      untold(pressure_io_some, "no /proc/pressure/io")};
    report.cgroups = {cgroup};
    report.sampler = {.cpu = 40ms,
                      .wall = 21ms,
                      .samples = 101,
                      .costly_samples = 50,
                      .costly_cpu = 30ms,
                      .series_bytes = 1 << 20};
    return report;
}

TEST(ResourcesText, SaysEachFigureOnce) {
    EXPECT_EQ(resources_text(example()), R"(Resources over 10.0 s, every 100 ms
  sampler       40.0 ms of CPU (0.40 % of a core), busy 21.0 ms (0.21 % of the
                time); 101 samples, 50 of them in full, at 600 us; 1.00 MiB
system crucibled (1234)
  CPU           82.0 % mean, 143.0 % peak, 8.20 s
                6.00 s user, 2.20 s system
  queued        3.1 % mean, 20.0 % peak, 310 ms
  PSS           34.0 MiB mean, 40.0 MiB peak
  RSS           42.0 MiB mean, 44.0 MiB peak
  swap          absent: not read
  faults        12,345 minor, 0 major
  switches      12,000 voluntary, 310 involuntary
  peak          9 threads, 24 descriptors
  read, written 12.0 MiB read, 34.0 MiB written
  storage       0 B read, 31.0 MiB written
  counters      absent: refused: perf_event_paranoid is 3
machine
  cpu waits     10.0 % of the time mean, 40.0 % peak
  io waits      absent: no /proc/pressure/io
cgroup /app.slice/crucibled.service (v2)
  memory        50.0 MiB mean, 50.0 MiB peak
    max         512 MiB
    high        no limit
  tasks         9 mean, 9 peak
    max         Permission denied
  CPU max       1.50 cores
    throttled   7 times, 25.0 ms in all
  cpu waits     5.0 % of the time mean, 20.0 % peak; of all tasks 1.0 % mean
)");
}

// Names and reasons come from the machine: however long they are, the terminal is 80 columns wide,
// and no control character gets to it.
TEST(ResourcesText, FitsTheTerminal) {
    auto report = example();
    auto& process = report.processes[0];
    process.role = std::string(100, 'r');
    process.command = "a\x1b[2Jb";
    process.ended = 7s;
    process.why_no_cgroup = std::string(300, 'x') + " and so on";
    report.cgroups[0].name = "/" + std::string(200, 'c');
    for (auto& figure : process.figures) {
        if (figure.summary) figure.summary->peak = figure.summary->last = 1.23456789e18;
        figure.why_absent = "a reason of many words, " + std::string(90, 'w');
    }
    const auto text = resources_text(report);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
    EXPECT_NE(text.find("ended after 7.00 s"), std::string::npos) << text;
}

TEST(ResourcesText, OfNothingIsShort) {
    EXPECT_EQ(resources_text({}), R"(Resources over 0.00 ns, every 0.00 ns
  sampler       0.00 ns of CPU, busy 0.00 ns; 0 samples, 0 of them in full, at
                0.00 ns; 0 B
)");
}

TEST(ResourcesJson, HasFiguresByNameWithTheirSeries) {
    const auto object = resources_json(example());
    EXPECT_EQ(object.at("wall"), 10.0);
    EXPECT_EQ(object.at("interval"), 0.1);
    EXPECT_EQ(object.at("sampler"), (json{{"cpu", 0.04},
                                          {"wall", 0.021},
                                          {"samples", 101},
                                          {"costly_samples", 50},
                                          {"costly_cpu", 0.03},
                                          {"series_bytes", 1'048'576}}));
    const auto& process = object.at("processes").at(0);
    EXPECT_EQ(process.at("pid"), 1234);
    EXPECT_EQ(process.at("role"), "system");
    EXPECT_TRUE(process.at("ended").is_null());
    EXPECT_TRUE(process.at("no_cgroup").is_null());
    const auto& figures = process.at("figures");
    EXPECT_EQ(
        figures.at("faults_minor"),
        (json{{"unit", "1"},
              {"total", 12'345.0},
              {"rate_mean", 1'234.5},
              {"rate_peak", 2'000.0},
              {"samples", 101},
              {"series",
               {{"start", 0.0}, {"end", {10.0}}, {"mean", {1'234.5}}, {"peak", {2'000.0}}}}}));
    EXPECT_EQ(figures.at("threads").at("mean"), 9.0);
    EXPECT_EQ(figures.at("memory_pss").at("unit"), "B");
    EXPECT_FALSE(figures.at("memory_pss").contains("rate_mean"));
    EXPECT_EQ(figures.at("cycles"),
              (json{{"unit", "1"}, {"absent", "refused: perf_event_paranoid is 3"}}));
    const auto& cgroup = object.at("cgroups").at(0);
    EXPECT_EQ(cgroup.at("pids"), json::array({1234}));
    EXPECT_EQ(cgroup.at("limits"), (json{{"memory_max", {{"value", 512.0 * (1 << 20)}}},
                                         {"memory_high", {{"unlimited", true}}},
                                         {"cpu_max", {{"value", 1.5}}},
                                         {"pids_max", {{"absent", "Permission denied"}}}}));
    EXPECT_EQ(object.at("machine").at("pressure_cpu_some").at("total"), 1.0);
}

// A soak of hours has as many points in its file as anybody looks at.
TEST(ResourcesJson, CondensesSeries) {
    ResourceSeries series(ResourceMetric::threads, 100ms);
    for (int i = 0; i <= 1'000; ++i) series.add(i * 100ms, i);
    ResourceReport report;
    report.machine = {series.figure()};
    const auto object = resources_json(report, 100);
    const auto& written = object.at("machine").at("threads").at("series");
    EXPECT_EQ(written.at("end").size(), 100u);
    EXPECT_EQ(written.at("peak").back(), 1'000.0);
    EXPECT_DOUBLE_EQ(written.at("mean").at(0).get<double>(), 5);
}

}  // namespace
}  // namespace crucible::lab
