#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/file.h"
#include "crucible/error.h"

namespace crucible::bench {

/// How memory is limited on this machine.
struct MemoryLimiter {
    /// Of cgroup v2, in which one can be made for the programs; empty: their address space is
    /// limited, each for itself.
    std::filesystem::path cgroup;
    std::string why_no_cgroup;

    /// "memory.max of a cgroup" or "RLIMIT_AS, as ulimit -v sets it".
    std::string name() const;
};
MemoryLimiter find_memory_limiter();

/// While it lives, a program that the lab starts by an environment variable (CRUCIBLED,
/// CRUCIBLE_WORKER) begins under a limit of memory. One at a time, from the main thread.
class LimitedProgram {
public:
    /// `program`: what is started otherwise. - Errc::io and others: the limit cannot be set.
    static Result<LimitedProgram> make(const MemoryLimiter& limiter, std::uint64_t bytes,
                                       std::string variable, const std::filesystem::path& program);

    LimitedProgram(LimitedProgram&& other) noexcept;
    LimitedProgram& operator=(LimitedProgram&&) = delete;
    ~LimitedProgram();

private:
    LimitedProgram(base::TempDir directory, std::string variable);

    std::optional<base::TempDir> directory_;
    std::filesystem::path cgroup_;  ///< that was made for it; may be empty
    std::string variable_;
    std::optional<std::string> before_;  ///< its value
};

}  // namespace crucible::bench
