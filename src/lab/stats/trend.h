#pragma once

#include <cstdint>
#include <span>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {

/// Mann-Kendall test of "no monotone trend".
struct TrendTest {
    std::int64_t s = 0;  ///< pairs that rise minus pairs that fall
    double z = 0;        ///< continuity- and tie-corrected; positive when rising
    double p_value = 1;  ///< two-sided, normal; use from about 10 values on
};
/// Values in the order of time. Fewer than 3 values, or all equal: no trend, p 1. O(n^2).
TrendTest mann_kendall(std::span<const double> values);

/// Theil-Sen slope: the median of (y_j - y_i)/(x_j - x_i) over all pairs with x_i != x_j. At least
/// one such pair, x and y of one size. O(n^2) memory: meant for up to some thousand points.
double theil_sen_slope(std::span<const double> x, std::span<const double> y);

/// The same with Sen's (1968) interval: the slopes at the ranks that Kendall's S would not leave by
/// chance, S's variance corrected for ties in x and y, normal; ranks between two slopes go
/// outwards. It allows for any noise about the line, of values independent of each other: a random
/// walk leaves it far too often. Infinite ends: too few pairs for this level.
LocationEstimate theil_sen(std::span<const double> x, std::span<const double> y, double level);

}  // namespace crucible::lab::stats
