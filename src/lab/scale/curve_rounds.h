#pragma once

#include <cstddef>
#include <vector>

namespace crucible::lab::scale {

/// One figure of a system against load, such as throughput or the 99th percentile of latency,
/// measured in rounds. All values > 0.
struct CurveRounds {
    std::vector<double> loads;                ///< > 0, ascending
    std::vector<std::vector<double>> rounds;  ///< [round][load]
};

/// Below, too few different draws of rounds exist for a 95 % interval.
inline constexpr std::size_t kCurveRoundsMin = 5;

}  // namespace crucible::lab::scale
