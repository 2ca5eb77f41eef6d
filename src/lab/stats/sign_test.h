#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {

/// Two-sided sign test of "median zero": 2 min(P(Bin(m,1/2) <= k), P(Bin(m,1/2) >= k)), k
/// differences positive, zeros dropped. 1 when nothing is left.
double sign_test_p_value(std::span<const double> differences);

/// Median with its distribution-free interval [d_(l), d_(m+1-l)], l the largest with P(Bin(m,1/2) <
/// l) <= (1-level)/2. Assumes nothing but independence. nullopt where none exists: below 6 values
/// at 95 %.
std::optional<LocationEstimate> median_interval(std::span<const double> values, double level);

/// Largest number of differences whose 2^m sign patterns sign_flip_p_value() goes through.
inline constexpr std::size_t kSignFlipMax = 20;

/// Exact permutation test of the mean: the share of all 2^m sign patterns whose |mean| reaches the
/// observed one (Fisher's randomisation test). 1 <= m <= kSignFlipMax.
double sign_flip_p_value(std::span<const double> differences);

}  // namespace crucible::lab::stats
