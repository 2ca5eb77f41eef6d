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

}  // namespace crucible::lab::scale
