#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {

/// Up to this many differences the signed-rank distribution is enumerated exactly; above it, its
/// normal approximation is used.
inline constexpr std::size_t kSignedRankExactMax = 50;

/// P(V <= v) of Wilcoxon's signed-rank statistic for `m` differences (m <= kSignedRankExactMax)
/// under symmetry about zero. Exact: the number of subsets of {1..m} with sum <= v, over 2^m.
double signed_rank_cdf(std::size_t m, std::uint64_t v);

/// Two-sided p-value of Wilcoxon's signed-rank test of "symmetric about zero". Zeros are dropped,
/// ties get mid-ranks; the null distribution is that of the ranks at hand, so it is exact with ties
/// too. 1 when nothing is left.
double signed_rank_p_value(std::span<const double> differences);

/// The same from the normal approximation with tie and continuity correction, for any number of
/// differences.
double signed_rank_p_value_normal(std::span<const double> differences);

/// Hodges-Lehmann estimate: the median of the Walsh averages (d_i + d_j)/2, i <= j. `differences`
/// is not empty.
double hodges_lehmann_estimate(std::span<const double> differences);

/// Estimate with the confidence interval that inverts the signed-rank test: [w_(k), w_(N+1-k)] of
/// the N sorted Walsh averages, k the largest with P(V < k) <= (1 - level)/2 (Hollander & Wolfe).
/// Needs symmetric differences, which randomising the order within a round gives when the two sides
/// are the same; no distribution is assumed. nullopt where no such interval exists: below 6
/// differences at 95 %, 5 at 90 %, 8 at 99 %.
std::optional<LocationEstimate> hodges_lehmann(std::span<const double> differences, double level);

}  // namespace crucible::lab::stats
