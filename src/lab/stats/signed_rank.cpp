#include "lab/stats/signed_rank.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <utility>

#include "lab/stats/robust.h"

namespace crucible::lab::stats {
namespace {

/// counts[v]: subsets of `ranks` with sum v. Exact in 64 bits: there are at most 2^50 subsets.
std::vector<std::uint64_t> subset_sums(std::span<const std::uint32_t> ranks) {
    CRUCIBLE_ASSERT(ranks.size() <= kSignedRankExactMax);
    std::vector<std::uint64_t> counts{1};
    for (const std::uint32_t rank : ranks) {
        const std::size_t before = counts.size();
        counts.resize(before + rank, 0);
        for (std::size_t sum = before; sum-- > 0;) counts[sum + rank] += counts[sum];
    }
    return counts;
}

std::uint64_t count_up_to(const std::vector<std::uint64_t>& counts, std::uint64_t v) {
    std::uint64_t total = 0;
    for (std::size_t sum = 0; sum < counts.size() && sum <= v; ++sum) total += counts[sum];
    return total;
}

/// The non-zero differences ranked by |d|, with doubled mid-ranks so that ties stay whole numbers.
struct SignedRanks {
    std::vector<std::uint32_t> doubled_ranks;
    std::uint64_t doubled_positive_sum = 0;
    double tie_term = 0;  ///< sum of t^3 - t over groups of t tied values
};

SignedRanks rank_differences(std::span<const double> differences) {
    require_finite(differences);
    std::vector<std::pair<double, bool>> values;  // |d|, positive
    for (const double d : differences) {
        if (d != 0) values.emplace_back(std::abs(d), d > 0);
    }
    std::sort(values.begin(), values.end());
    SignedRanks result;
    for (std::size_t begin = 0; begin < values.size();) {
        std::size_t end = begin;
        while (end < values.size() && values[end].first == values[begin].first) ++end;
        // Ranks begin+1 .. end share their mean, (begin + 1 + end) / 2.
        const auto doubled = static_cast<std::uint32_t>(begin + 1 + end);
        for (std::size_t i = begin; i < end; ++i) {
            result.doubled_ranks.push_back(doubled);
            if (values[i].second) result.doubled_positive_sum += doubled;
        }
        const auto ties = static_cast<double>(end - begin);
        result.tie_term += ties * ties * ties - ties;
        begin = end;
    }
    return result;
}

double normal_p_value(const SignedRanks& ranks) {
    const auto m = static_cast<double>(ranks.doubled_ranks.size());
    if (m == 0) return 1;
    const double mean = m * (m + 1) / 4;
    const double variance = m * (m + 1) * (2 * m + 1) / 24 - ranks.tie_term / 48;
    const double distance = static_cast<double>(ranks.doubled_positive_sum) / 2 - mean;
    const double z = std::max(0.0, std::abs(distance) - 0.5) / std::sqrt(variance);
    return std::min(1.0, 2 * boost::math::cdf(boost::math::complement(boost::math::normal(), z)));
}

std::vector<double> walsh_averages(std::span<const double> differences) {
    std::vector<double> averages;
    averages.reserve(differences.size() * (differences.size() + 1) / 2);
    for (std::size_t i = 0; i < differences.size(); ++i) {
        for (std::size_t j = i; j < differences.size(); ++j) {
            averages.push_back((differences[i] + differences[j]) / 2);
        }
    }
    return averages;
}

struct OrderIndex {
    std::size_t k = 0;  ///< 1-based rank of the lower end; 0 where there is none
    double coverage = 0;
};

OrderIndex exact_index(std::size_t m, double level) {
    std::vector<std::uint32_t> ranks(m);
    for (std::size_t i = 0; i < m; ++i) ranks[i] = static_cast<std::uint32_t>(i + 1);
    const auto counts = subset_sums(ranks);
    const double all = std::ldexp(1.0, static_cast<int>(m));
    OrderIndex result;
    std::uint64_t below = 0;  // subsets with sum < k
    for (std::size_t k = 1; k <= counts.size(); ++k) {
        below += counts[k - 1];
        const double tail = static_cast<double>(below) / all;
        if (tail > (1 - level) / 2) break;
        result = {k, 1 - 2 * tail};
    }
    return result;
}

OrderIndex approximate_index(std::size_t count, double level) {
    const auto m = static_cast<double>(count);
    const double z = boost::math::quantile(boost::math::normal(), (1 + level) / 2);
    const double deviation = std::sqrt(m * (m + 1) * (2 * m + 1) / 24);
    const double k = std::floor(m * (m + 1) / 4 - z * deviation);
    return {static_cast<std::size_t>(std::max(1.0, k)), level};
}

}  // namespace

double signed_rank_cdf(std::size_t m, std::uint64_t v) {
    CRUCIBLE_ASSERT(m <= kSignedRankExactMax);
    std::vector<std::uint32_t> ranks(m);
    for (std::size_t i = 0; i < m; ++i) ranks[i] = static_cast<std::uint32_t>(i + 1);
    return static_cast<double>(count_up_to(subset_sums(ranks), v)) /
           std::ldexp(1.0, static_cast<int>(m));
}

double signed_rank_p_value(std::span<const double> differences) {
    const SignedRanks ranks = rank_differences(differences);
    if (ranks.doubled_ranks.size() > kSignedRankExactMax) return normal_p_value(ranks);
    const auto counts = subset_sums(ranks.doubled_ranks);
    // The distribution is symmetric about half the largest sum, so one tail is the mirror of the
    // other.
    const std::uint64_t largest = counts.size() - 1;
    const std::uint64_t v =
        std::min(ranks.doubled_positive_sum, largest - ranks.doubled_positive_sum);
    const double tail = static_cast<double>(count_up_to(counts, v)) /
                        std::ldexp(1.0, static_cast<int>(ranks.doubled_ranks.size()));
    return std::min(1.0, 2 * tail);
}

double signed_rank_p_value_normal(std::span<const double> differences) {
    return normal_p_value(rank_differences(differences));
}

double hodges_lehmann_estimate(std::span<const double> differences) {
    auto averages = walsh_averages(differences);
    return median_in_place(averages);
}

std::optional<LocationEstimate> hodges_lehmann(std::span<const double> differences, double level) {
    require_finite(differences);
    require_level(level);
    const std::size_t m = differences.size();
    if (m == 0) return std::nullopt;
    const OrderIndex index =
        m <= kSignedRankExactMax ? exact_index(m, level) : approximate_index(m, level);
    if (index.k == 0) return std::nullopt;
    auto averages = walsh_averages(differences);
    std::sort(averages.begin(), averages.end());
    return LocationEstimate{
        .estimate = median(averages),
        .interval = {averages[index.k - 1], averages[averages.size() - index.k]},
        .level = index.coverage};
}

}  // namespace crucible::lab::stats
