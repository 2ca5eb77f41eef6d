#pragma once

#include <filesystem>
#include <optional>

#include "base/file.h"
#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::base {

/// Where the kernel takes and tells how long waking up a processor may take (PM QoS).
inline constexpr const char* kIdleLatencyFile = "/dev/cpu_dma_latency";

/// While it lives, no processor enters an idle state that takes time to leave: sleeps end sooner
/// and more evenly, at the price of power. Ends with the process, however that ends.
class KeptAwake {
public:
    /// - Errc::not_found: this kernel has no such limit. - Errc::permission_denied. - Errc::io.
    static Result<KeptAwake> begin(const std::filesystem::path& file = kIdleLatencyFile);

private:
    explicit KeptAwake(UniqueFd file) : file_(std::move(file)) {}
    UniqueFd file_;  ///< the limit stands as long as it is open
};

/// This thread runs as soon as it can, before all that have no such priority (SCHED_FIFO, the
/// lowest of them). Threads and processes that it makes do not inherit it. -
/// Errc::permission_denied.
Result<> set_realtime_priority();

/// The limit that stands now, whoever set it: how long waking up may take. Nothing where there is
/// none or where it cannot be read.
std::optional<Duration> idle_latency_limit(const std::filesystem::path& file = kIdleLatencyFile);

}  // namespace crucible::base
