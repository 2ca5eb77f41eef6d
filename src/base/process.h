#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/cpu_set.h"
#include "base/file.h"
#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::base {

/// How a process ended.
struct ExitStatus {
    int exit_code = 0;  ///< meaningful when `signal` is 0
    int signal = 0;     ///< the signal that killed it, or 0
    /// "exited with code 3" or "was killed by signal 9 (Killed)".
    std::string describe() const;
};

/// A child process. Destroying a running one kills it (SIGKILL) and reaps it. It also dies with the
/// thread that started it (so the kernel counts): start it from one that lives as long.
class Process {
public:
    struct Options {
        std::vector<std::string> arguments;  ///< arguments[0] is the program's path
        /// {our descriptor, its number in the child}, in any order and overlap; all others that are
        /// close-on-exec stay behind.
        std::vector<std::pair<int, int>> inherit;
        /// NAME=value, in the place of what this process has under the name.
        std::vector<std::string> environment;
        std::filesystem::path standard_output;  ///< empty: /dev/null
        std::filesystem::path standard_error;   ///< empty: inherited
        CpuSet cpus;                            ///< it may use; empty: as this process
    };
    /// - Errc::not_found, Errc::permission_denied, Errc::io: the program could not be started.
    static Result<Process> start(const Options& options);

    Process(Process&& other) noexcept;
    Process& operator=(Process&& other) noexcept;
    ~Process();

    pid_t pid() const noexcept { return pid_; }
    void signal(int number) noexcept;
    /// The status when it has ended; reaps it. Never blocks.
    std::optional<ExitStatus> poll() noexcept;
    /// Waits at most `limit`.
    std::optional<ExitStatus> wait(Duration limit) noexcept;

private:
    Process(pid_t pid, int pidfd) noexcept : pid_(pid), pidfd_(pidfd) {}
    void kill_and_reap() noexcept;
    pid_t pid_ = -1;
    UniqueFd pidfd_;
    std::optional<ExitStatus> status_;
};

/// Lets this process, and those it starts, open as many files as it may. The usual limit of 1,024
/// is for programs that use select().
void raise_descriptor_limit() noexcept;

/// Path of the running executable.
std::filesystem::path self_executable();

}  // namespace crucible::base
