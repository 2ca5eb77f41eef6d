#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crucible/time.h"
#include "lab/record/cgroup.h"
#include "lab/record/resource_figure.h"

namespace crucible::lab {

/// What one process used.
struct ProcessResources {
    pid_t pid = 0;
    std::string role;                 ///< as asked for: "system", "harness"
    std::string command;              ///< its program's name, at most 15 bytes
    std::optional<Duration> ended;    ///< when it was found to have ended, since the start
    bool counters_user_only = false;  ///< hardware counters leave the kernel's part out
    std::string why_no_cgroup;        ///< set where it is in none of the report's
    std::vector<ResourceFigure> figures;
};

/// What the processes of one cgroup used together, watched or not, and what they may use.
struct CgroupResources {
    std::string name;
    std::string version;      ///< "v2", "v1" or "hybrid"
    std::vector<pid_t> pids;  ///< of the watched processes in it
    CgroupLimits limits;
    std::vector<ResourceFigure> figures;
};

/// What watching cost. Its CPU time is the sampling process's: where that is watched too, it is in
/// that one's figures.
struct SamplerCost {
    Duration cpu{};                    ///< of all samples, and of the waits between them
    Duration wall{};                   ///< in which a sample was being taken
    std::uint64_t samples = 0;         ///< of what is cheap to read
    std::uint64_t costly_samples = 0;  ///< of what is not
    Duration costly_cpu{};             ///< of those alone
    std::size_t series_bytes = 0;      ///< of its own memory, for the series
};

/// Everything that was read between start and stop.
struct ResourceReport {
    Duration wall{};
    Duration interval{};
    std::vector<ProcessResources> processes;
    std::vector<ResourceFigure> machine;
    std::vector<CgroupResources> cgroups;
    SamplerCost sampler;
};

/// The figure of that metric; null where it is none of theirs.
const ResourceFigure* find_figure(const std::vector<ResourceFigure>& figures,
                                  ResourceMetric metric) noexcept;

/// For the terminal, in lines of at most 80 columns.
std::string resources_text(const ResourceReport& report);

}  // namespace crucible::lab
