#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::lab {

/// One reading of one process, from /proc and its CPU-time clock. A process that has ended and was
/// not yet reaped still reads: its CPU is final, its memory zero.
struct ProcessReading {
    Duration cpu{};  ///< user + system of all its threads, dead ones included, to the nanosecond
    Duration cpu_user{};  ///< from /proc/<pid>/stat: resolution one clock tick (10 ms)
    Duration cpu_system{};
    std::uint64_t pss_bytes = 0;  ///< proportional set size
    std::uint64_t rss_bytes = 0;
    std::uint32_t threads = 0;
    std::uint64_t voluntary_switches = 0;  ///< summed over live threads
    std::uint64_t involuntary_switches = 0;
};

/// - Errc::not_found: no such process (any more). - Errc::permission_denied: not ours to read.
Result<ProcessReading> read_process(pid_t pid);

/// What a set of processes used between two moments. Sums over the processes; peaks are peaks of
/// the sum.
struct Usage {
    Duration wall{};
    Duration cpu{};
    Duration cpu_user{};
    Duration cpu_system{};
    double memory_peak_bytes = 0;  ///< largest sampled sum of PSS
    double memory_mean_bytes = 0;  ///< over time
    std::uint32_t threads_max = 0;
    /// Of all threads read at least once (at start, every second, at stop); not of those that lived
    /// in between.
    std::uint64_t voluntary_switches = 0;
    std::uint64_t involuntary_switches = 0;
    std::uint64_t samples = 0;         ///< of CPU and threads
    std::uint64_t memory_samples = 0;  ///< of PSS, which costs more: see ResourceMonitor
    Duration sampler_cpu{};            ///< what taking these samples cost the sampling process
};

/// Samples a set of processes from a thread of its own between start() and stop().
///
/// CPU and threads are read every interval: about 15 us a process. PSS has the kernel walk the
/// process's page tables under its memory lock: 0.2 ms and 10 us more for every MiB were measured.
/// So memory is read every interval only as long as that takes less than 1 % of one core, and as
/// often as 1 % allows beyond that: five processes of 30 MiB about five times a second.
class ResourceMonitor {
public:
    /// Samples every `interval`. The first sample is taken before it returns.
    /// - Errc::invalid_argument: the interval is below 10 ms.
    /// - Errc::not_found, Errc::permission_denied: of the pid that the message names.
    static Result<std::unique_ptr<ResourceMonitor>> start(std::vector<pid_t> pids,
                                                          Duration interval);
    ~ResourceMonitor();

    /// Takes a last sample and returns the usage since start. A process that died meanwhile counts
    /// with its last reading. Called again it returns the same.
    Usage stop();

    /// Samples of memory taken so far; from any thread.
    std::uint64_t memory_samples() const noexcept;

private:
    struct State;
    explicit ResourceMonitor(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace crucible::lab
