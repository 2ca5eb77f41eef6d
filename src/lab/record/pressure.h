#pragma once

#include <filesystem>
#include <optional>

#include "crucible/error.h"

namespace crucible::lab {

/// Pressure stall information (PSI) of one resource: time since boot, or since the cgroup was made,
/// in seconds.
struct Pressure {
    double some_seconds = 0;  ///< in which at least one task waited for it
    /// In which none could work because of it. Of cpu kernels before 5.13 keep none, and later ones
    /// say zero for the machine as a whole, always.
    std::optional<double> full_seconds;
};

/// "/proc/pressure/memory" or a cgroup's "memory.pressure".
/// - Errc::unsupported: this kernel has none, or it is turned off. - Errc::permission_denied,
/// Errc::io. - Errc::corrupt: the file is not what it should be.
Result<Pressure> read_pressure(const std::filesystem::path& file);

}  // namespace crucible::lab
