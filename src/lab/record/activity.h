#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/time.h"
#include "lab/record/surroundings.h"

namespace crucible::lab {

/// What a thread was doing at the moment of a sample.
enum class Activity : std::uint8_t {
    running,     ///< on a core or ready for one
    lock,        ///< waits for a mutex that another thread holds
    file_lock,   ///< waits for a lock on a file
    storage,     ///< blocked in a system call on a file: reads, writes, flushes
    page_fault,  ///< blocked outside system calls: memory that has to be read or reclaimed first
    peer,        ///< blocked in a call to a socket or pipe: whoever is at its other end
    asleep,      ///< until a time
    idle,        ///< until there is something to do: condition variables, poll of several, accept
    unknown,     ///< could not be read
};
inline constexpr std::size_t kActivityCount = 9;
std::string_view to_string(Activity activity) noexcept;

/// Whose work a thread does.
enum class ActivitySide : std::uint8_t {
    /// The system under test: its own processes, or, where it has none, what of it lives inside of
    /// the clients.
    system,
    injector,  ///< the clients, but for a system embedded in them
};
inline constexpr std::size_t kSideCount = 2;

/// One value for each Activity.
using ByActivity = std::array<double, kActivityCount>;

/// What one thread did while it was sampled.
struct ThreadActivity {
    pid_t process = 0;
    pid_t thread = 0;
    std::string name;
    ActivitySide side = ActivitySide::system;
    std::uint64_t samples = 0;
    std::array<std::uint64_t, kActivityCount> seen{};  ///< samples in each activity
    Duration cpu{};
    Duration run_queue_delay{};
};

/// All threads of one side together.
struct SideActivity {
    std::uint64_t threads = 0;  ///< seen at all
    std::uint64_t samples = 0;  ///< of it: of the injector fewer
    /// Threads in each activity, on average over the samples.
    ByActivity mean{};
    /// Share of these samples with at least one thread in it: how much of the time it was in use.
    ByActivity present{};
    double cpu_cores = 0;      ///< processor time per second
    double delay_threads = 0;  ///< threads that were ready and had no core, on average
    double busiest_cpu = 0;    ///< of the thread with the most processor time: time / wall
    double busiest_ready = 0;  ///< of the thread with the most of it and of the delay: both / wall
    std::string busiest_thread;  ///< the latter's name
};

/// Growth of a counter per second, or a share; absent where it cannot be read.
using OptionalRate = std::optional<double>;

/// What sampling itself took.
struct ActivityCost {
    Duration cpu{};                ///< of samples, the waits between them, and what comes first
    Duration cpu_per_sample{};     ///< without what comes first
    double core_share = 0;         ///< cpu / wall of one core
    double machine_share = 0;      ///< cpu / wall of all cores
    std::size_t memory_bytes = 0;  ///< of its own, for the threads it follows at the end
};

/// What the threads of a system and of its injector did in one stretch of load, and what the
/// machine, the kernel and the neighbours did to them.
struct ActivityReport {
    Duration wall{};      ///< of the stretch that was sampled
    Duration interval{};  ///< between samples, had they cost nothing
    std::uint64_t samples = 0;
    std::uint64_t missed = 0;    ///< samples that were due and not taken, the machine being busy
    std::uint64_t left_out = 0;  ///< not taken, because they would have cost too much
    double cores = 0;            ///< that the system's processes may use
    /// Of these, what others used or the hypervisor gave to others; a steal counts by the share of
    /// the machine's cores that they are.
    OptionalRate neighbour_cores;
    /// Whether the load generator's processor time is taken from these cores: 1, or 0 where it may
    /// use none of them. Absent where it may use some of them and others, too.
    OptionalRate injector_on_cores;
    std::array<SideActivity, kSideCount> sides;
    const SideActivity& system() const { return sides[0]; }
    const SideActivity& injector() const { return sides[1]; }
    /// The busiest ones, at most ActivityMonitor::kThreadsTold.
    std::vector<ThreadActivity> threads;
    std::string why_blind;  ///< why what threads wait for could not be read; empty where it could

    Surroundings surroundings;  ///< neighbours, stolen time
    /// Share of the time in which some task waited for it: of the system's cgroup where it has one
    /// in version 2, otherwise of the machine.
    OptionalRate pressure_cpu;
    OptionalRate pressure_memory;
    OptionalRate pressure_io;

    OptionalRate quota_cores;      ///< the tightest CPU quota of the system's cgroups
    OptionalRate throttled_cores;  ///< cores' worth of time in which a quota stopped it
    OptionalRate memory_limit_bytes;
    OptionalRate memory_used_bytes;       ///< of the cgroup with that limit, at the end
    OptionalRate memory_limit_hits;       ///< per second: the kernel had to reclaim to stay below
    double minor_faults = 0;              ///< of the system's processes, per second
    double major_faults = 0;              ///< per second
    Duration fault_cost{};                ///< of a minor one, as measured on this machine
    OptionalRate kernel_share;            ///< of the system's processor time
    OptionalRate storage_read_bytes;      ///< per second
    OptionalRate storage_written_bytes;   ///< per second
    double voluntary_switches = 0;        ///< of the system's threads, per second
    double involuntary_switches = 0;      ///< per second
    OptionalRate file_lock_held;          ///< share of the samples: it had a write lock on a file
    OptionalRate instructions_per_cycle;  ///< of the system's processes
    OptionalRate cache_misses_per_kilo_instruction;
    std::string why_no_counters;  ///< set where there are none

    ActivityCost cost;
};

}  // namespace crucible::lab
