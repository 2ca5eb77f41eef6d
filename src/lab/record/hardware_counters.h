#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "crucible/error.h"

namespace crucible::lab {

/// One event of perf_event_open(2).
struct PerfEvent {
    std::uint32_t type = 0;    ///< PERF_TYPE_…
    std::uint64_t config = 0;  ///< PERF_COUNT_…
};

/// Counts events of a process: of its threads there are when it is opened, and of those that they
/// start. Threads that began while it was being opened may be missed. Not thread-safe.
class PerfCounter {
public:
    /// - Errc::unsupported, Errc::permission_denied, Errc::not_found, Errc::io; the message is what
    /// a user needs to know.
    static Result<PerfCounter> open(pid_t pid, PerfEvent event);

    /// Since it was opened. Where the processor has fewer counters than are in use the kernel lets
    /// them take turns: then an estimate from the time in which this one counted.
    /// - Errc::unsupported: it never had a turn. - Errc::io.
    Result<double> read() const;
    /// Without the kernel's work for it: that is not for everybody to see (perf_event_paranoid 2).
    bool user_only() const noexcept { return user_only_; }

private:
    PerfCounter() = default;

    std::vector<base::UniqueFd> threads_;
    bool user_only_ = false;
};

/// Why perf_event_open failed, for the user: `error` is its errno, `paranoid` what
/// /proc/sys/kernel/perf_event_paranoid says.
Error perf_refusal(int error, std::optional<int> paranoid);

}  // namespace crucible::lab
