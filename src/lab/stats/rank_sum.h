#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {

// Two independent samples x and y: for stored results that were not interleaved. What differs
// between two such sets may as well be the machine of another hour, so an answer of these functions
// is an observation and never gates anything.

enum class Alternative : std::uint8_t { two_sided, greater, less };

/// Mann-Whitney's U of x: pairs with x > y, plus half of those with x = y. Not empty.
double rank_sum_u(std::span<const double> x, std::span<const double> y);

/// p-value of "x and y have one distribution" from the normal approximation with tie-corrected
/// variance; `greater` tests against x tending to be larger. nullopt when all values are equal:
/// then they hold no information. Not empty.
std::optional<double> rank_sum_p_value_normal(std::span<const double> x, std::span<const double> y,
                                              Alternative alternative = Alternative::two_sided,
                                              bool continuity_correction = true);

/// Up to this many values together rank_sum_p_value() counts all arrangements.
inline constexpr std::size_t kRankSumExactMax = 80;

/// Two-sided p-value: the share of all ways to deal the mid-ranks at hand out to x and y whose rank
/// sum is at least as far from its mean. Exact with ties too. Above kRankSumExactMax values the
/// normal approximation. nullopt when all values are equal.
std::optional<double> rank_sum_p_value(std::span<const double> x, std::span<const double> y);

/// Hodges-Lehmann shift of x against y: the median of all x_i - y_j. Not empty.
double hodges_lehmann_shift_estimate(std::span<const double> x, std::span<const double> y);

/// That shift with the order statistics [D_(k), D_(nm+1-k)] that invert the rank-sum test. Without
/// ties and up to kRankSumExactMax values k is that of the exact distribution, else
/// max(1, floor(nm/2 - z sqrt(nm(n+m+1)/12))). nullopt where no such interval exists: below 4 and 4
/// values at 95 %.
std::optional<LocationEstimate> hodges_lehmann_shift(std::span<const double> x,
                                                     std::span<const double> y, double level);

/// The 1-based k of hodges_lehmann_shift(), for samples of n and m values: from the exact
/// distribution (0 where there is no such interval), and from its normal approximation.
std::size_t rank_sum_order_index_exact(std::size_t n, std::size_t m, double level);
std::size_t rank_sum_order_index_normal(std::size_t n, std::size_t m, double level);

}  // namespace crucible::lab::stats
