#include "lab/stats/quantile_ranks.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {

std::uint64_t quantile_rank(std::uint64_t n, double p) {
    CRUCIBLE_ASSERT(n >= 1 && p > 0 && p < 1);
    // One step down first: 0.07 * 100 is 7.000000000000001 in doubles, and its rank is 7.
    const double position = std::nextafter(p, 0.0) * static_cast<double>(n);
    return std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(position)), 1, n);
}

std::optional<RankInterval> quantile_ranks(std::uint64_t n, double p, double level) {
    require_level(level);
    CRUCIBLE_ASSERT(p > 0 && p < 1);
    if (n == 0) return std::nullopt;
    const boost::math::binomial below(static_cast<double>(n), p);
    const auto cdf = [&](std::uint64_t k) {
        return boost::math::cdf(below, static_cast<double>(k));
    };
    const auto above = [&](std::uint64_t k) {
        return boost::math::cdf(boost::math::complement(below, static_cast<double>(k)));
    };
    const double tail = (1 - level) / 2;
    if (cdf(0) > tail || above(n - 1) > tail) return std::nullopt;

    // Both conditions are monotone in the rank: bisect, so that n may be in the billions.
    std::uint64_t low = 1;  // cdf(low - 1) <= tail
    for (std::uint64_t beyond = n; beyond - low > 1;) {
        const std::uint64_t middle = low + (beyond - low) / 2;
        (cdf(middle - 1) <= tail ? low : beyond) = middle;
    }
    std::uint64_t high = n;  // above(high - 1) <= tail
    for (std::uint64_t before = 0; high - before > 1;) {
        const std::uint64_t middle = before + (high - before) / 2;
        (above(middle - 1) <= tail ? high : before) = middle;
    }
    return RankInterval{low, high, 1 - cdf(low - 1) - above(high - 1)};
}

}  // namespace crucible::lab::stats
