#pragma once

#include <cstdint>
#include <span>

namespace crucible::lab::stats {

/// Little's law (1961), L = lambda W, over a window of time [start, end): a check that counts,
/// rates and latencies of one run tell the same story. Units of time are the caller's.
struct LittlesLaw {
    double in_system = 0;       ///< L: requests present, on average over time
    double rate = 0;            ///< lambda: completions per unit of time
    double time_in_system = 0;  ///< W: mean over the completed ones
    double gap = 0;        ///< L / (lambda W) - 1; 0 exactly when the system was empty at both ends
    double tolerance = 0;  ///< (present at start + present at end) / completions + 1 %
    bool holds() const noexcept { return gap <= tolerance && -gap <= tolerance; }
};

/// Of requests i that came at `arrivals[i]` and left at `departures[i]` >= it. A gap beyond the
/// tolerance means lost events, a clock error or coordinated omission. start < end; at least one
/// request departs within the window.
LittlesLaw littles_law(std::span<const std::int64_t> arrivals,
                       std::span<const std::int64_t> departures, std::int64_t start,
                       std::int64_t end);

/// The same from sums: `present_time` is the integral of the number present over the window.
LittlesLaw littles_law(double present_time, double duration, std::uint64_t completions,
                       double mean_time_in_system, std::uint64_t present_at_start,
                       std::uint64_t present_at_end);

}  // namespace crucible::lab::stats
