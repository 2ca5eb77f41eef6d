#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "crucible/time.h"

namespace crucible::lab {

/// What the machine did beside a trial: what may explain a difference that the systems do not.
/// Means over the trial. What cannot be read on this machine is absent.
struct Surroundings {
    Duration wall{};  ///< length of the trial
    /// Cores that programs outside the trial kept busy. Not the kernel's own threads and
    /// interrupts: they may work for the trial. From counts of clock ticks, so that a second says
    /// it to some 0.05. Absent also where a server's processes are not known.
    std::optional<double> other_cores;
    std::optional<double> stolen_cores;  ///< that the hypervisor gave to others
    std::optional<double> pressure;      ///< share of the time in which some task waited for a core
    std::optional<double> frequency_hz;  ///< mean over the cores, at the end
    Duration clock_step{};               ///< wall clock against the monotonic clock, end - start
};

/// One reading of the machine, for the difference of two.
struct MachineReading {
    TimePoint at;
    Duration wall_offset{};              ///< wall clock - monotonic clock
    std::optional<double> busy_seconds;  ///< of all programs and the kernel's threads
    std::optional<double> own_seconds;   ///< of the processes asked for and the kernel's threads
    std::optional<double> steal_seconds;
    std::optional<double> pressure_seconds;
    std::optional<double> frequency_hz;
};

/// user + nice + system of these cores, of all programs, the kernel's threads among them; nothing
/// where one of them is not in /proc/stat.
std::optional<double> read_busy_seconds(const std::set<int>& cores,
                                        const std::filesystem::path& root = "/");

/// Reads all, and the CPU time of `roots` with everything they started, ended processes included
/// once their parent has waited for them, and of the kernel's threads. No roots: own_seconds is
/// absent. Some 20 us for each process of the machine.
MachineReading read_machine(std::span<const pid_t> roots);

Surroundings surroundings_between(const MachineReading& first, const MachineReading& last);

/// Processor, cores, memory and kernel in one line: rounds of two such lines cannot be compared.
std::string machine_identity();

}  // namespace crucible::lab
