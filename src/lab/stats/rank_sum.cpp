#include "lab/stats/rank_sum.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <numeric>
#include <vector>

#include "lab/stats/robust.h"

namespace crucible::lab::stats {
namespace {

/// Mid-ranks, doubled to be whole numbers.
struct PooledRanks {
    std::vector<std::uint32_t> doubled;  ///< of all values, ascending
    std::uint64_t doubled_sum_x = 0;
    double tie_term = 0;  ///< sum of t^3 - t over groups of t equal values
    bool ties = false;
};

PooledRanks pooled_ranks(std::span<const double> x, std::span<const double> y) {
    require_finite(x);
    require_finite(y);
    CRUCIBLE_ASSERT(!x.empty() && !y.empty());
    struct Entry {
        double value;
        bool from_x;
    };
    std::vector<Entry> pool;
    pool.reserve(x.size() + y.size());
    for (const double value : x) pool.push_back({value, true});
    for (const double value : y) pool.push_back({value, false});
    std::ranges::sort(pool, {}, &Entry::value);
    PooledRanks result;
    for (std::size_t first = 0; first < pool.size();) {
        std::size_t end = first;
        while (end < pool.size() && pool[end].value == pool[first].value) ++end;
        const auto rank = static_cast<std::uint32_t>(first + 1 + end);  // (first + 1) + end, halved
        const auto tied = static_cast<double>(end - first);
        result.tie_term += tied * tied * tied - tied;
        result.ties |= end - first > 1;
        for (std::size_t i = first; i < end; ++i) {
            result.doubled.push_back(rank);
            if (pool[i].from_x) result.doubled_sum_x += rank;
        }
        first = end;
    }
    return result;
}

/// All x_i - y_j, ascending.
std::vector<double> sorted_differences(std::span<const double> x, std::span<const double> y) {
    std::vector<double> differences;
    differences.reserve(x.size() * y.size());
    for (const double a : x) {
        for (const double b : y) differences.push_back(a - b);
    }
    std::ranges::sort(differences);
    return differences;
}

double u_of(const PooledRanks& ranks, std::size_t n) {
    const auto count = static_cast<double>(n);
    return static_cast<double>(ranks.doubled_sum_x) / 2 - count * (count + 1) / 2;
}

/// counts[s]: ways to choose `n` of `doubled` with sum s. Doubles: exact below 2^53 and to 1e-15
/// above.
std::vector<double> choices_by_sum(std::span<const std::uint32_t> doubled, std::size_t n) {
    const std::uint64_t largest = std::accumulate(doubled.begin(), doubled.end(), std::uint64_t{0});
    std::vector<std::vector<double>> chosen(n + 1, std::vector<double>(largest + 1));
    chosen[0][0] = 1;
    std::uint64_t reachable = 0;
    for (std::size_t i = 0; i < doubled.size(); ++i) {
        reachable += doubled[i];
        for (std::size_t k = std::min(n, i + 1); k > 0; --k) {
            for (std::uint64_t s = reachable; s >= doubled[i]; --s) {
                chosen[k][s] += chosen[k - 1][s - doubled[i]];
            }
        }
    }
    return chosen[n];
}

/// P(U < k) for n and m values without ties, k = 1, 2, ...: the distribution over all arrangements.
std::vector<double> u_distribution(std::size_t n, std::size_t m) {
    std::vector<std::uint32_t> doubled(n + m);
    for (std::size_t i = 0; i < doubled.size(); ++i) {
        doubled[i] = static_cast<std::uint32_t>(2 * (i + 1));
    }
    const auto counts = choices_by_sum(doubled, n);
    std::vector<double> probabilities(n * m + 1);
    double total = 0;
    for (std::size_t u = 0; u < probabilities.size(); ++u) {
        probabilities[u] = counts[2 * u + n * (n + 1)];
        total += probabilities[u];
    }
    for (double& p : probabilities) p /= total;
    return probabilities;
}

}  // namespace

double rank_sum_u(std::span<const double> x, std::span<const double> y) {
    return u_of(pooled_ranks(x, y), x.size());
}

std::optional<double> rank_sum_p_value_normal(std::span<const double> x, std::span<const double> y,
                                              Alternative alternative, bool continuity_correction) {
    const PooledRanks ranks = pooled_ranks(x, y);
    const auto n = static_cast<double>(x.size());
    const auto m = static_cast<double>(y.size());
    const double total = n + m;
    const double variance = n * m / 12 * (total + 1 - ranks.tie_term / (total * (total - 1)));
    if (!(variance > 0)) return std::nullopt;
    const double distance = u_of(ranks, x.size()) - n * m / 2;
    const double correction = continuity_correction ? 0.5 : 0;
    const boost::math::normal normal;
    const auto upper_tail = [&](double beyond) {
        return boost::math::cdf(
            boost::math::complement(normal, (beyond - correction) / std::sqrt(variance)));
    };
    switch (alternative) {
        case Alternative::greater:
            return upper_tail(distance);
        case Alternative::less:
            return upper_tail(-distance);
        case Alternative::two_sided:
            break;
    }
    return std::min(1.0, 2 * upper_tail(std::abs(distance)));
}

std::optional<double> rank_sum_p_value(std::span<const double> x, std::span<const double> y) {
    if (x.size() + y.size() > kRankSumExactMax) return rank_sum_p_value_normal(x, y);
    const PooledRanks ranks = pooled_ranks(x, y);
    if (ranks.doubled.front() == ranks.doubled.back()) return std::nullopt;
    const auto counts = choices_by_sum(ranks.doubled, x.size());
    // The mean of the doubled rank sum is n (n + m + 1), a whole number: distances are exact.
    const auto mean =
        static_cast<std::int64_t>(x.size()) * static_cast<std::int64_t>(x.size() + y.size() + 1);
    const std::int64_t reach = std::abs(static_cast<std::int64_t>(ranks.doubled_sum_x) - mean);
    double total = 0;
    double reached = 0;
    for (std::size_t s = 0; s < counts.size(); ++s) {
        total += counts[s];
        if (std::abs(static_cast<std::int64_t>(s) - mean) >= reach) reached += counts[s];
    }
    return reached / total;
}

std::size_t rank_sum_order_index_exact(std::size_t n, std::size_t m, double level) {
    require_level(level);
    const auto probabilities = u_distribution(n, m);
    double below = 0;
    std::size_t index = 0;
    for (std::size_t u = 0; u < probabilities.size(); ++u) {
        below += probabilities[u];
        if (below > (1 - level) / 2) break;
        index = u + 1;
    }
    return index;
}

std::size_t rank_sum_order_index_normal(std::size_t n, std::size_t m, double level) {
    require_level(level);
    const auto a = static_cast<double>(n);
    const auto b = static_cast<double>(m);
    const double z = boost::math::quantile(boost::math::normal(), (1 + level) / 2);
    const double index = std::floor(a * b / 2 - z * std::sqrt(a * b * (a + b + 1) / 12));
    return static_cast<std::size_t>(std::max(1.0, index));
}

double hodges_lehmann_shift_estimate(std::span<const double> x, std::span<const double> y) {
    require_finite(x);
    require_finite(y);
    CRUCIBLE_ASSERT(!x.empty() && !y.empty());
    return median(sorted_differences(x, y));
}

std::optional<LocationEstimate> hodges_lehmann_shift(std::span<const double> x,
                                                     std::span<const double> y, double level) {
    require_level(level);
    if (x.empty() || y.empty()) return std::nullopt;
    const bool exact = x.size() + y.size() <= kRankSumExactMax;
    const bool ties = pooled_ranks(x, y).ties;
    const std::size_t k_exact = exact ? rank_sum_order_index_exact(x.size(), y.size(), level) : 1;
    // Samples too small for the exact interval are too small for its approximation as well.
    if (k_exact == 0) return std::nullopt;
    const std::size_t k =
        exact && !ties ? k_exact : rank_sum_order_index_normal(x.size(), y.size(), level);
    const auto differences = sorted_differences(x, y);
    return LocationEstimate{.estimate = median(differences),
                            .interval = {differences[k - 1], differences[differences.size() - k]},
                            .level = level};
}

}  // namespace crucible::lab::stats
