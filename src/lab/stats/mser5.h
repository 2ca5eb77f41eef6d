#pragma once

#include <cstddef>
#include <span>

namespace crucible::lab::stats {

/// How much of the start of a series is warm-up.
struct Truncation {
    std::size_t values = 0;  ///< to drop: a multiple of 5
    double error = 0;        ///< the criterion there: about the squared error of the mean that is
                             ///< left, times its number of batches
    double error_at_start = 0;  ///< the criterion when nothing is dropped
    bool steady = true;  ///< false: the best cut is the last one allowed; the series never settled
};

/// MSER-5 (White, Cobb & Spratt 2000): with Z the means of batches of 5 values, drops the d <= b/2
/// batches that minimise sum over i > d of (Z_i - mean)^2 / (b - d)^2. Some of a steady series is
/// dropped too; what is left keeps its mean. At least 10 values.
Truncation mser5(std::span<const double> values);

}  // namespace crucible::lab::stats
