#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "crucible/error.h"
#include "crucible/time.h"
#include "lab/record/process_probe.h"
#include "lab/record/resource_report.h"

namespace crucible::lab {

/// What a set of processes used between two moments. Sums over the processes; peaks are peaks of
/// the sum.
struct Usage {
    Duration wall{};
    Duration cpu{};
    Duration cpu_user{};
    Duration cpu_system{};
    /// Largest sampled sum of PSS; it and the mean say something where there are memory_samples.
    double memory_peak_bytes = 0;
    double memory_mean_bytes = 0;  ///< over time
    std::uint32_t threads_max = 0;
    /// Of all threads read at least once (at start, every second, at stop); not of those that lived
    /// in between.
    std::uint64_t voluntary_switches = 0;
    std::uint64_t involuntary_switches = 0;
    std::uint64_t samples = 0;         ///< of CPU and threads
    std::uint64_t memory_samples = 0;  ///< of PSS of all of them: see ResourceMonitor
    Duration sampler_cpu{};            ///< what taking these samples cost the sampling process
};

/// A process to watch, and what it is in the measurement.
struct MonitoredProcess {
    pid_t pid = 0;
    std::string role;  ///< "system", "harness"; for the report alone
};

/// How to watch.
struct MonitorOptions {
    Duration interval = std::chrono::milliseconds(100);  ///< 10 ms at least
    Depth depth = Depth::usage;
    /// Where proc/ and the cgroups are; another in tests.
    std::filesystem::path root = "/";
};

/// Samples a set of processes from a thread of its own between start() and stop().
///
/// What is cheap to read is read every interval: CPU and threads take about 15 us a process. PSS
/// has the kernel walk the process's page tables under its memory lock: 0.2 ms and 10 us more for
/// every MiB were measured. So what is costly is read every interval only as long as that takes
/// less than 1 % of one core, and as often as 1 % allows beyond that: PSS of five processes of 30
/// MiB about five times a second. At Depth::full descriptors, the figures of each thread, hardware
/// counters, pressure and cgroups are costly as well, and are read together with it.
class ResourceMonitor {
public:
    /// The first sample is taken before it returns.
    /// - Errc::invalid_argument: the interval is below 10 ms.
    /// - Errc::not_found, Errc::permission_denied: of the pid that the message names. At
    /// Depth::full a process that does not let its memory be read is watched without.
    static Result<std::unique_ptr<ResourceMonitor>> start(std::vector<MonitoredProcess> processes,
                                                          const MonitorOptions& options);
    /// Their usage alone.
    static Result<std::unique_ptr<ResourceMonitor>> start(const std::vector<pid_t>& pids,
                                                          Duration interval);
    ~ResourceMonitor();

    /// Takes a last sample and returns the usage since start. A process that died meanwhile counts
    /// with its last reading. Called again it returns the same.
    Usage stop();
    /// The same, and everything else that was read: at Depth::usage, nothing of the processes.
    ResourceReport report();

    /// Samples of what is costly taken so far; from any thread.
    std::uint64_t costly_samples() const noexcept;

private:
    struct State;
    explicit ResourceMonitor(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace crucible::lab
