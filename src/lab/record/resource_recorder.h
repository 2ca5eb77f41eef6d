#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crucible/error.h"
#include "crucible/time.h"
#include "lab/record/cgroup.h"
#include "lab/record/hardware_counters.h"
#include "lab/record/process_probe.h"
#include "lab/record/resource_report.h"

namespace crucible::lab {

/// The series of some metrics of one thing.
class FigureSet {
public:
    FigureSet(std::span<const ResourceMetric> metrics, Duration interval);

    /// A reading, or why there is none.
    void add(ResourceMetric metric, Duration at, const Result<double>& reading);
    void miss(ResourceMetric metric, const Error& why) { add(metric, {}, std::unexpected(why)); }
    std::vector<ResourceFigure> figures() const;
    std::size_t memory_bytes() const noexcept;

private:
    std::vector<ResourceMetric> metrics_;
    std::vector<ResourceSeries> series_;
};

/// Keeps the course of everything that is read at Depth::full: of processes, of their cgroups and
/// of the machine. Not thread-safe. Times are since the start of the monitor and never go back.
class ResourceRecorder {
public:
    ResourceRecorder(Duration interval, std::filesystem::path root)
        : interval_(interval), root_(std::move(root)), machine_(kMachine, interval) {}

    /// The processes are numbered in the order in which they are added.
    void add_process(pid_t pid, std::string role, const ProcessProbe& probe);
    /// The counters in `reading`, and what else is cheap to read.
    void take_cheap(std::size_t process, Duration at, ProcessProbe& probe, ProcessReading& reading);
    /// PSS and swap as they were read just now, and what else is costly to read of it.
    void take_costly(std::size_t process, Duration at, ProcessProbe& probe, ProcessReading& reading,
                     const Result<>& memory);
    /// The machine and the cgroups: costly too.
    void take_surroundings(Duration at);
    void end_process(std::size_t process, Duration at);

    /// Without times and the sampler's cost, but for its memory.
    ResourceReport report() const;

private:
    static constexpr std::array kMachine{
        ResourceMetric::pressure_cpu_some, ResourceMetric::pressure_memory_some,
        ResourceMetric::pressure_memory_full, ResourceMetric::pressure_io_some,
        ResourceMetric::pressure_io_full};
    static constexpr std::size_t kCounters = 4;

    struct Process {
        ProcessResources about;
        FigureSet figures;
        std::array<std::optional<PerfCounter>, kCounters> counters;
    };
    struct Group {
        Cgroup cgroup;
        std::vector<pid_t> pids;
        FigureSet figures;
    };

    void open_counters(Process& process);
    void join_cgroup(Process& process);

    Duration interval_;
    std::filesystem::path root_;
    std::vector<Process> processes_;
    std::vector<Group> groups_;
    FigureSet machine_;
};

}  // namespace crucible::lab
