#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace crucible::lab::stats {

// Where a series in the order of time changes. A change point is the 0-based index of the first
// value of the new regime.

/// The split that tells the two parts apart best.
struct Split {
    std::size_t index = 0;
    double q = 0;  ///< nm/(n+m) (2 mean|x-y| - mean|x-x'| - mean|y-y'|), parts x and y
};

/// By energy distance (Matteson & James 2014), each part with at least `min_segment` >= 2 values.
/// nullopt when the series is too short for that. O(n^2) time and memory.
std::optional<Split> best_split(std::span<const double> values, std::size_t min_segment);

struct ChangePoint {
    std::size_t index = 0;
    double p_value = 1;  ///< of the permutation test that accepted it
};

struct ChangePointOptions {
    std::size_t min_segment = 5;
    std::uint32_t permutations = 199;
    double alpha = 0.05;
    /// Values permuted together. 1: single values, for independent ones. Series of benchmark
    /// results are not independent, and permuting single values then calls noise a change
    /// (measured at a nominal 5 %: 67 % of null series with AR(.6), 11 % with blocks of 10).
    std::size_t block = 10;
    std::uint64_t seed = 1;
};

/// E-divisive: splits again and again where the split is best, as long as fewer than alpha of the
/// series with their (circular) blocks permuted inside the segments found so far split as well.
/// Ascending by index. Deterministic for a seed.
std::vector<ChangePoint> change_points(std::span<const double> values,
                                       const ChangePointOptions& options);

/// Change points of the mean by optimal partitioning with pruning (PELT; Killick, Fearnhead &
/// Eckley 2012): minimises within-segment sums of squares plus `penalty` for each change point.
/// Exact and fast, but it takes spikes and changes of variance for changes: a screen only.
struct MeanChanges {
    std::vector<std::size_t> indices;
    double cost = 0;
};
/// Segments have at least 2 values; at least 2 values, penalty > 0.
MeanChanges mean_changes(std::span<const double> values, double penalty);

/// The usual penalty, 3 sigma^2 ln n, with sigma = 1.4826 MAD(differences of neighbours) / sqrt 2.
/// At least 3 values.
double mean_changes_penalty(std::span<const double> values);

}  // namespace crucible::lab::stats
