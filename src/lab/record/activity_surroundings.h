#pragma once

#include <sys/types.h>

#include <array>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lab/record/activity.h"
#include "lab/record/cgroup.h"
#include "lab/record/hardware_counters.h"
#include "lab/record/process_probe.h"

namespace crucible::lab {

/// What the kernel counts for a system's processes, their cgroups and the machine, between two
/// moments. Counters say as much at the end as they would sample by sample. Not thread-safe.
class ActivitySurroundings {
public:
    /// `own`: with all that they started they are no neighbours.
    ActivitySurroundings(std::vector<pid_t> system, std::vector<pid_t> injector,
                         std::vector<pid_t> own, std::filesystem::path root)
        : system_(std::move(system)),
          injector_(std::move(injector)),
          own_(std::move(own)),
          root_(std::move(root)) {}

    /// What takes its time and can be done before it counts.
    void open();
    void begin();
    void end();
    /// What was between begin() and end(), into the members of `report` that are not of threads.
    /// Those of the sides have to be there already.
    void fill(ActivityReport& report) const;

private:
    using Cores = std::set<int>;
    struct Process {
        ProcessProbe probe;
        ProcessReading first;
        ProcessReading last;
    };
    struct Group {
        Cgroup cgroup;
        CgroupReading first;
        CgroupReading last;
    };
    /// Of one resource of the machine, in seconds.
    struct MachinePressure {
        std::optional<double> cpu;
        std::optional<double> memory;
        std::optional<double> io;
    };
    static constexpr std::size_t kCounters = 3;  ///< cycles, instructions, cache misses

    void find_cores();
    void fill_cores(ActivityReport& report) const;
    void open_counters(pid_t pid);
    void join_group(pid_t pid);
    MachinePressure read_pressures() const;
    void fill_processes(ActivityReport& report, double seconds) const;
    void fill_groups(ActivityReport& report, double seconds) const;
    void fill_pressures(ActivityReport& report, double seconds) const;
    void fill_counters(ActivityReport& report) const;

    std::vector<pid_t> system_;
    std::vector<pid_t> injector_;
    std::vector<pid_t> own_;
    std::filesystem::path root_;
    std::vector<Process> processes_;
    std::vector<Group> groups_;
    std::vector<std::array<PerfCounter, kCounters>> counters_;
    std::array<double, kCounters> counts_first_{};
    std::array<double, kCounters> counts_last_{};
    std::string why_no_counters_;
    Cores cores_;  ///< that the system may use
    std::optional<double> injector_on_cores_;
    std::optional<double> busy_first_;  ///< s, of cores_
    std::optional<double> busy_last_;
    MachineReading machine_first_;
    MachineReading machine_last_;
    MachinePressure pressure_first_;
    MachinePressure pressure_last_;
};

/// What a page costs here that is touched for the first time and later given back, as measured now
/// over some hundred. Takes a millisecond at most.
Duration measure_fault_cost();

}  // namespace crucible::lab
