#include "lab/stats/change_points.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/rng.h"
#include "lab/stats/interval.h"
#include "lab/stats/robust.h"

namespace crucible::lab::stats {
namespace {

/// Splits one segment at every allowed place in O(n^2): sums of distances within and between the
/// parts follow from the ones before as one value after the other moves to the left part.
std::optional<Split> split_of(std::span<const double> z, std::size_t min_segment) {
    const std::size_t n = z.size();
    if (n < 2 * min_segment) return std::nullopt;
    double within_left = 0;
    double between = 0;
    double within_right = 0;
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = i + 1; j < n; ++j) within_right += std::abs(z[i] - z[j]);
    }
    std::optional<Split> best;
    for (std::size_t left = 1; left + min_segment <= n; ++left) {
        double to_left = 0;
        double to_right = 0;
        const double moved = z[left - 1];
        for (std::size_t i = 0; i + 1 < left; ++i) to_left += std::abs(moved - z[i]);
        for (std::size_t i = left; i < n; ++i) to_right += std::abs(moved - z[i]);
        within_left += to_left;
        within_right -= to_right;
        between += to_right - to_left;
        if (left < min_segment) continue;
        const auto a = static_cast<double>(left);
        const auto b = static_cast<double>(n - left);
        const double energy = 2 * between / (a * b) - within_left / (a * (a - 1) / 2) -
                              within_right / (b * (b - 1) / 2);
        const double q = a * b / (a + b) * energy;
        if (!best || q > best->q) best = Split{.index = left, .q = q};
    }
    return best;
}

/// The best split of any of the segments between `bounds` (with both ends), by position in `z`.
std::optional<Split> best_of_segments(std::span<const double> z,
                                      const std::vector<std::size_t>& bounds,
                                      std::size_t min_segment) {
    std::optional<Split> best;
    for (std::size_t s = 0; s + 1 < bounds.size(); ++s) {
        const auto split = split_of(z.subspan(bounds[s], bounds[s + 1] - bounds[s]), min_segment);
        if (split && (!best || split->q > best->q)) {
            best = Split{.index = bounds[s] + split->index, .q = split->q};
        }
    }
    return best;
}

/// Blocks of `block` neighbours in random order, the first starting at a random place of the
/// circle.
void permute_blocks(std::span<double> values, std::size_t block, base::Rng& rng) {
    const std::size_t n = values.size();
    if (block > 1) {
        const auto start = static_cast<std::ptrdiff_t>(rng.below(n));
        std::rotate(values.begin(), values.begin() + start, values.end());
    }
    const std::size_t blocks = (n + block - 1) / block;
    std::vector<std::size_t> order(blocks);
    for (std::size_t i = 0; i < blocks; ++i) order[i] = i;
    for (std::size_t i = blocks; i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
    std::vector<double> permuted;
    permuted.reserve(n);
    for (const std::size_t at : order) {
        for (std::size_t i = at * block; i < std::min(n, (at + 1) * block); ++i) {
            permuted.push_back(values[i]);
        }
    }
    std::ranges::copy(permuted, values.begin());
}

/// Sums of squares of segments in O(1).
class SegmentCost {
public:
    explicit SegmentCost(std::span<const double> values) : sums_{0}, squares_{0} {
        // About the mean, so that large levels do not cancel the digits that matter.
        double mean = 0;
        for (const double value : values) mean += value / static_cast<double>(values.size());
        for (const double value : values) {
            const double x = value - mean;
            sums_.push_back(sums_.back() + x);
            squares_.push_back(squares_.back() + x * x);
        }
    }
    double operator()(std::size_t first, std::size_t end) const {
        const double sum = sums_[end] - sums_[first];
        return squares_[end] - squares_[first] - sum * sum / static_cast<double>(end - first);
    }

private:
    std::vector<double> sums_;
    std::vector<double> squares_;
};

}  // namespace

std::optional<Split> best_split(std::span<const double> values, std::size_t min_segment) {
    require_finite(values);
    CRUCIBLE_ASSERT(min_segment >= 2);
    return split_of(values, min_segment);
}

std::vector<ChangePoint> change_points(std::span<const double> values,
                                       const ChangePointOptions& options) {
    require_finite(values);
    CRUCIBLE_ASSERT(options.min_segment >= 2 && options.block >= 1 && options.permutations >= 1);
    base::Rng rng(options.seed);
    std::vector<ChangePoint> found;
    std::vector<std::size_t> bounds{0, values.size()};
    while (const auto best = best_of_segments(values, bounds, options.min_segment)) {
        std::uint32_t reached = 0;
        std::vector<double> permuted;
        for (std::uint32_t i = 0; i < options.permutations; ++i) {
            permuted.assign(values.begin(), values.end());
            for (std::size_t s = 0; s + 1 < bounds.size(); ++s) {
                permute_blocks(std::span(permuted).subspan(bounds[s], bounds[s + 1] - bounds[s]),
                               options.block, rng);
            }
            reached += best_of_segments(permuted, bounds, options.min_segment)->q >= best->q;
        }
        const double p = (reached + 1.0) / (options.permutations + 1.0);
        if (p > options.alpha) break;
        found.push_back({.index = best->index, .p_value = p});
        bounds.insert(std::ranges::upper_bound(bounds, best->index), best->index);
    }
    std::ranges::sort(found, {}, &ChangePoint::index);
    return found;
}

MeanChanges mean_changes(std::span<const double> values, double penalty) {
    require_finite(values);
    constexpr std::size_t kMinSegment = 2;
    const std::size_t n = values.size();
    CRUCIBLE_ASSERT(n >= kMinSegment && penalty > 0);
    const SegmentCost cost(values);
    std::vector<double> best(n + 1, std::numeric_limits<double>::infinity());
    std::vector<std::size_t> last(n + 1);
    best[0] = -penalty;
    std::vector<std::size_t> candidates{0};
    for (std::size_t end = kMinSegment; end <= n; ++end) {
        for (const std::size_t start : candidates) {
            const double total = best[start] + cost(start, end) + penalty;
            if (total < best[end]) {
                best[end] = total;
                last[end] = start;
            }
        }
        // A start that is worse now by more than a change point can win back is never the best.
        std::erase_if(candidates, [&](std::size_t start) {
            return best[start] + cost(start, end) > best[end];
        });
        if (end >= 2 * kMinSegment - 1) candidates.push_back(end - kMinSegment + 1);
    }
    MeanChanges result{.indices = {}, .cost = best[n]};
    for (std::size_t at = last[n]; at > 0; at = last[at]) result.indices.push_back(at);
    std::ranges::reverse(result.indices);
    return result;
}

double mean_changes_penalty(std::span<const double> values) {
    CRUCIBLE_ASSERT(values.size() >= 3);
    std::vector<double> steps;
    for (std::size_t i = 1; i < values.size(); ++i) steps.push_back(values[i] - values[i - 1]);
    const double sigma = kMadToSigma * median_absolute_deviation(steps) / std::sqrt(2.0);
    return 3 * sigma * sigma * std::log(static_cast<double>(values.size()));
}

}  // namespace crucible::lab::stats
