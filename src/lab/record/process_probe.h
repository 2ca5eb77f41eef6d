#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <map>
#include <string>

#include "base/file.h"
#include "crucible/error.h"
#include "lab/record/resources.h"

namespace crucible::lab {

/// Reads one process again and again. Holds its directory in /proc, which stays that process's even
/// when its number is given to another. Not thread-safe.
class ProcessProbe {
public:
    /// - Errc::not_found, Errc::permission_denied; the message names the pid.
    static Result<ProcessProbe> open(pid_t pid);

    /// CPU times, threads and RSS. Leaves `reading` alone when it fails: Errc::not_found once the
    /// process is gone.
    Result<> read_counters(ProcessReading& reading);
    /// PSS; zero once the process has ended.
    Result<> read_memory(ProcessReading& reading);
    /// Context switches since the process began, of every thread that any call has seen.
    Result<> read_switches(ProcessReading& reading);

private:
    struct Switches {
        std::uint64_t voluntary = 0;
        std::uint64_t involuntary = 0;
    };

    ProcessProbe(pid_t pid, clockid_t clock, base::UniqueFd directory)
        : pid_(pid), clock_(clock), directory_(std::move(directory)) {}
    Result<std::string> read(const char* name) const;
    Error error(int number) const;

    pid_t pid_;
    clockid_t clock_;
    base::UniqueFd directory_;
    bool ended_ = false;  ///< a zombie: it has counters and no memory
    std::map<pid_t, Switches> by_thread_;
    Switches earlier_threads_;  ///< of threads whose number was used again
};

}  // namespace crucible::lab
