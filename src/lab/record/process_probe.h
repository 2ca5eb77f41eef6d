#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/file.h"
#include "crucible/error.h"
#include "crucible/time.h"
#include "lab/record/thread_totals.h"

namespace crucible::lab {

/// What went through the system calls of a process, and what of it storage was asked for.
struct ProcessIo {
    std::uint64_t read_bytes = 0;          ///< by read() and its like, from whatever: not by recv()
    std::uint64_t written_bytes = 0;       ///< by write() and its like
    std::uint64_t storage_read_bytes = 0;  ///< that storage had to deliver: not from the page cache
    std::uint64_t storage_written_bytes = 0;  ///< of pages made dirty: written sooner or later
};

/// One reading of one process, from /proc and its CPU-time clock. A process that has ended and was
/// not yet reaped still reads: its CPU is final, its memory zero. What was not asked for, or cannot
/// be read, is absent.
struct ProcessReading {
    Duration cpu{};  ///< user + system of all its threads, dead ones included, to the nanosecond
    Duration cpu_user{};  ///< from /proc/<pid>/stat: resolution one clock tick (10 ms)
    Duration cpu_system{};
    std::uint64_t rss_bytes = 0;
    std::uint32_t threads = 0;
    std::uint64_t minor_faults = 0;          ///< of all its threads, dead ones included
    std::uint64_t major_faults = 0;          ///< those that waited for storage
    std::optional<std::uint64_t> pss_bytes;  ///< proportional set size
    std::optional<std::uint64_t> swap_bytes;
    std::uint64_t voluntary_switches = 0;  ///< summed over live threads, and those seen before
    std::uint64_t involuntary_switches = 0;
    std::optional<Duration> run_queue_delay;  ///< ready to run, without a core: summed likewise
    std::optional<std::uint64_t> descriptors;
    std::optional<ProcessIo> io;
};

/// What to read of a process.
enum class Depth : std::uint8_t {
    usage,  ///< CPU, threads, context switches and memory: what every trial needs
    full,   ///< everything
};

/// - Errc::not_found: no such process (any more). - Errc::permission_denied: not ours to read.
/// At Depth::full only what `usage` asks for can fail; the rest is absent.
Result<ProcessReading> read_process(pid_t pid, Depth depth = Depth::usage);

/// Reads one process again and again. Holds its directory in /proc, which stays that process's even
/// when its number is given to another. Not thread-safe.
///
/// Each call leaves `reading` alone when it fails, and may fail with
/// - Errc::not_found: the process is gone. - Errc::permission_denied: not ours to read.
/// - Errc::unsupported: this kernel does not keep it. - Errc::corrupt: the file is not what it was.
class ProcessProbe {
public:
    /// `root`: where proc/ is. - Errc::not_found, Errc::permission_denied; the message names the
    /// pid.
    static Result<ProcessProbe> open(pid_t pid, const std::filesystem::path& root = "/");

    /// CPU times, threads, RSS and faults: some 10 us.
    Result<> read_counters(ProcessReading& reading);
    /// PSS and swap; zero once the process has ended. The kernel walks its page tables for that.
    Result<> read_memory(ProcessReading& reading);
    /// Context switches since the process began, of every thread that any call has seen.
    Result<> read_switches(ProcessReading& reading);
    /// Time in run queues, of every thread that any call has seen.
    Result<> read_delay(ProcessReading& reading);
    Result<> read_io(ProcessReading& reading);
    /// Counts them one by one where the kernel does not (before Linux 6.2).
    Result<> read_descriptors(ProcessReading& reading);

    /// As of the last read_counters(): a zombie, which has counters and no memory.
    bool ended() const noexcept { return ended_; }
    /// As of the last reading: not on its way to its end, where memory goes first, then
    /// descriptors, while its counters still grow.
    bool has_memory() const noexcept { return has_memory_; }
    /// Its program's name as the kernel keeps it (at most 15 bytes); empty when that is not to be
    /// had.
    std::string command() const;

private:
    ProcessProbe(pid_t pid, clockid_t clock, base::UniqueFd directory);
    Result<std::string> read(const char* name) const;
    Error error(int number) const;
    Error error(const char* name, int number) const;
    Error corrupt(const char* name) const;

    pid_t pid_;
    clockid_t clock_;
    base::UniqueFd directory_;
    bool in_procfs_ = false;  ///< not a copy
    bool ended_ = false;
    bool has_memory_ = true;
    ThreadTotals switches_;
    ThreadTotals delay_;
};

}  // namespace crucible::lab
