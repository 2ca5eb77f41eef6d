#include "lab/record/resource_recorder.h"

#include <linux/perf_event.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

namespace crucible::lab {
namespace {

using Metric = ResourceMetric;

constexpr std::array kOfProcess{Metric::cpu,
                                Metric::cpu_user,
                                Metric::cpu_system,
                                Metric::memory_pss,
                                Metric::memory_rss,
                                Metric::memory_swap,
                                Metric::faults_minor,
                                Metric::faults_major,
                                Metric::threads,
                                Metric::descriptors,
                                Metric::switches_voluntary,
                                Metric::switches_involuntary,
                                Metric::read,
                                Metric::written,
                                Metric::storage_read,
                                Metric::storage_written,
                                Metric::run_queue_delay,
                                Metric::cycles,
                                Metric::instructions,
                                Metric::cache_misses,
                                Metric::branch_misses};

constexpr std::array kOfCgroup{Metric::cgroup_memory,        Metric::cgroup_pids,
                               Metric::throttled_periods,    Metric::throttled,
                               Metric::pressure_cpu_some,    Metric::pressure_cpu_full,
                               Metric::pressure_memory_some, Metric::pressure_memory_full,
                               Metric::pressure_io_some,     Metric::pressure_io_full};

constexpr std::array<std::pair<ResourceMetric, std::uint64_t>, 4> kHardware{
    {{Metric::cycles, PERF_COUNT_HW_CPU_CYCLES},
     {Metric::instructions, PERF_COUNT_HW_INSTRUCTIONS},
     {Metric::cache_misses, PERF_COUNT_HW_CACHE_MISSES},
     {Metric::branch_misses, PERF_COUNT_HW_BRANCH_MISSES}}};

double reading_of(std::uint64_t count) {
    return static_cast<double>(count);
}

double reading_of(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

/// One member of a group of figures that was read, or not, as a whole.
template <typename Group, typename Member>
Result<double> part(const Result<Group>& group, Member member) {
    if (!group) return std::unexpected(group.error());
    return static_cast<double>(std::invoke(member, *group));
}

void add_pressure(FigureSet& figures, Duration at, const Result<Pressure>& pressure,
                  ResourceMetric some, ResourceMetric full) {
    figures.add(some, at, part(pressure, &Pressure::some_seconds));
    if (pressure && !pressure->full_seconds)
        return figures.miss(full, {Errc::unsupported, "this kernel does not keep it"});
    figures.add(full, at, part(pressure, [](const Pressure& all) { return *all.full_seconds; }));
}

}  // namespace

FigureSet::FigureSet(std::span<const ResourceMetric> metrics, Duration interval)
    : metrics_(metrics.begin(), metrics.end()) {
    for (const auto metric : metrics) series_.emplace_back(metric, interval);
}

void FigureSet::add(ResourceMetric metric, Duration at, const Result<double>& reading) {
    const auto found = std::ranges::find(metrics_, metric);
    auto& series = series_.at(static_cast<std::size_t>(found - metrics_.begin()));
    if (reading) {
        series.add(at, *reading);
    } else {
        series.miss(reading.error().message);
    }
}

std::vector<ResourceFigure> FigureSet::figures() const {
    std::vector<ResourceFigure> all;
    for (const auto& series : series_) all.push_back(series.figure());
    return all;
}

std::size_t FigureSet::memory_bytes() const noexcept {
    std::size_t bytes = 0;
    for (const auto& series : series_) bytes += series.memory_bytes();
    return bytes;
}

void ResourceRecorder::add_process(pid_t pid, std::string role, const ProcessProbe& probe) {
    Process process{{.pid = pid, .role = std::move(role), .command = probe.command()},
                    FigureSet(kOfProcess, interval_),
                    {}};
    open_counters(process);
    join_cgroup(process);
    processes_.push_back(std::move(process));
}

void ResourceRecorder::open_counters(Process& process) {
    for (std::size_t i = 0; i < kCounters; ++i) {
        auto counter =
            PerfCounter::open(process.about.pid, {PERF_TYPE_HARDWARE, kHardware[i].second});
        if (counter) {
            process.about.counters_user_only |= counter->user_only();
            process.counters[i] = *std::move(counter);
        } else {
            process.figures.miss(kHardware[i].first, counter.error());
        }
    }
}

void ResourceRecorder::join_cgroup(Process& process) {
    auto cgroup = Cgroup::find(process.about.pid, root_);
    if (!cgroup) {
        process.about.why_no_cgroup = cgroup.error().message;
        return;
    }
    auto group = std::ranges::find_if(
        groups_, [&](const Group& other) { return other.cgroup.where() == cgroup->where(); });
    if (group == groups_.end()) {
        groups_.push_back({*std::move(cgroup), {}, FigureSet(kOfCgroup, interval_)});
        group = std::prev(groups_.end());
    }
    group->pids.push_back(process.about.pid);
}

void ResourceRecorder::take_cheap(std::size_t process, Duration at, ProcessProbe& probe,
                                  ProcessReading& reading) {
    auto& [about, figures, counters] = processes_[process];
    if (about.ended) return;
    figures.add(Metric::cpu, at, reading_of(reading.cpu));
    figures.add(Metric::cpu_user, at, reading_of(reading.cpu_user));
    figures.add(Metric::cpu_system, at, reading_of(reading.cpu_system));
    figures.add(Metric::faults_minor, at, reading_of(reading.minor_faults));
    figures.add(Metric::faults_major, at, reading_of(reading.major_faults));
    const auto outcome = probe.read_io(reading);
    const auto io = outcome ? Result<ProcessIo>(*reading.io) : std::unexpected(outcome.error());
    figures.add(Metric::read, at, part(io, &ProcessIo::read_bytes));
    figures.add(Metric::written, at, part(io, &ProcessIo::written_bytes));
    figures.add(Metric::storage_read, at, part(io, &ProcessIo::storage_read_bytes));
    figures.add(Metric::storage_written, at, part(io, &ProcessIo::storage_written_bytes));
    // Then its counters are final, and count. What it had is gone: no part of what it used.
    if (probe.ended()) about.ended = at;
    if (!probe.has_memory()) return;
    figures.add(Metric::memory_rss, at, reading_of(reading.rss_bytes));
    figures.add(Metric::threads, at, reading_of(reading.threads));
}

void ResourceRecorder::take_costly(std::size_t process, Duration at, ProcessProbe& probe,
                                   ProcessReading& reading, const Result<>& memory) {
    auto& [about, figures, counters] = processes_[process];
    if (about.ended || !probe.has_memory()) return;
    const auto value = [](const Result<>& outcome, const auto& of) {
        return outcome ? Result<double>(reading_of(of())) : std::unexpected(outcome.error());
    };
    figures.add(Metric::memory_pss, at, value(memory, [&] { return *reading.pss_bytes; }));
    figures.add(Metric::memory_swap, at, value(memory, [&] { return *reading.swap_bytes; }));
    const auto switches = probe.read_switches(reading);
    figures.add(Metric::switches_voluntary, at,
                value(switches, [&] { return reading.voluntary_switches; }));
    figures.add(Metric::switches_involuntary, at,
                value(switches, [&] { return reading.involuntary_switches; }));
    figures.add(Metric::run_queue_delay, at,
                value(probe.read_delay(reading), [&] { return *reading.run_queue_delay; }));
    figures.add(Metric::descriptors, at,
                value(probe.read_descriptors(reading), [&] { return *reading.descriptors; }));
    for (std::size_t i = 0; i < kCounters; ++i)
        if (counters[i]) figures.add(kHardware[i].first, at, counters[i]->read());
}

void ResourceRecorder::take_surroundings(Duration at) {
    const auto pressure = root_ / "proc/pressure";
    machine_.add(Metric::pressure_cpu_some, at,
                 part(read_pressure(pressure / "cpu"), &Pressure::some_seconds));
    add_pressure(machine_, at, read_pressure(pressure / "memory"), Metric::pressure_memory_some,
                 Metric::pressure_memory_full);
    add_pressure(machine_, at, read_pressure(pressure / "io"), Metric::pressure_io_some,
                 Metric::pressure_io_full);
    for (auto& [cgroup, pids, figures] : groups_) {
        const auto reading = cgroup.read();
        const auto itself = [](std::uint64_t count) { return count; };
        figures.add(Metric::cgroup_memory, at, part(reading.memory_bytes, itself));
        figures.add(Metric::cgroup_pids, at, part(reading.pids, itself));
        figures.add(Metric::throttled_periods, at,
                    part(reading.throttling, &CgroupThrottling::periods));
        figures.add(Metric::throttled, at,
                    part(reading.throttling,
                         [](const CgroupThrottling& all) { return reading_of(all.stopped); }));
        add_pressure(figures, at, reading.cpu, Metric::pressure_cpu_some,
                     Metric::pressure_cpu_full);
        add_pressure(figures, at, reading.memory, Metric::pressure_memory_some,
                     Metric::pressure_memory_full);
        add_pressure(figures, at, reading.io, Metric::pressure_io_some, Metric::pressure_io_full);
    }
}

void ResourceRecorder::end_process(std::size_t process, Duration at) {
    auto& ended = processes_[process].about.ended;
    if (!ended) ended = at;
}

ResourceReport ResourceRecorder::report() const {
    ResourceReport report;
    report.interval = interval_;
    report.machine = machine_.figures();
    report.sampler.series_bytes = machine_.memory_bytes();
    for (const auto& process : processes_) {
        report.processes.push_back(process.about);
        report.processes.back().figures = process.figures.figures();
        report.sampler.series_bytes += process.figures.memory_bytes();
    }
    for (const auto& [cgroup, pids, figures] : groups_) {
        const auto& where = cgroup.where();
        report.cgroups.push_back(
            {where.name, where.version, pids, cgroup.limits(), figures.figures()});
        report.sampler.series_bytes += figures.memory_bytes();
    }
    return report;
}

const ResourceFigure* find_figure(const std::vector<ResourceFigure>& figures,
                                  ResourceMetric metric) noexcept {
    const auto found = std::ranges::find(figures, metric, &ResourceFigure::metric);
    return found == figures.end() ? nullptr : &*found;
}

}  // namespace crucible::lab
