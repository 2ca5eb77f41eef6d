#pragma once

#include <cstdint>
#include <span>

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

}  // namespace crucible::lab::stats
