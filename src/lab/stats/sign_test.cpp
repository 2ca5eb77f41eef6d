#include "lab/stats/sign_test.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <cstdint>
#include <vector>

#include "lab/stats/robust.h"

namespace crucible::lab::stats {
namespace {

/// P(Bin(m, 1/2) <= k).
double fair_coin_cdf(std::size_t m, std::size_t k) {
    const boost::math::binomial heads(static_cast<double>(m), 0.5);
    return boost::math::cdf(heads, static_cast<double>(k));
}

}  // namespace

double sign_test_p_value(std::span<const double> differences) {
    require_finite(differences);
    const auto positive = static_cast<std::size_t>(
        std::count_if(differences.begin(), differences.end(), [](double d) { return d > 0; }));
    const auto zero =
        static_cast<std::size_t>(std::count(differences.begin(), differences.end(), 0.0));
    const std::size_t m = differences.size() - zero;
    if (m == 0) return 1;
    return std::min(1.0, 2 * fair_coin_cdf(m, std::min(positive, m - positive)));
}

std::optional<LocationEstimate> median_interval(std::span<const double> values, double level) {
    require_finite(values);
    require_level(level);
    const std::size_t m = values.size();
    std::size_t rank = 0;
    double tail = 0;
    for (std::size_t l = 1; 2 * l <= m; ++l) {
        const double below = fair_coin_cdf(m, l - 1);
        if (below > (1 - level) / 2) break;
        rank = l;
        tail = below;
    }
    if (rank == 0) return std::nullopt;
    std::vector<double> sorted(values.begin(), values.end());
    std::sort(sorted.begin(), sorted.end());
    return LocationEstimate{.estimate = median(sorted),
                            .interval = {sorted[rank - 1], sorted[m - rank]},
                            .level = 1 - 2 * tail};
}

double sign_flip_p_value(std::span<const double> differences) {
    require_finite(differences);
    CRUCIBLE_ASSERT(!differences.empty() && differences.size() <= kSignFlipMax);
    double observed = 0;
    double magnitude = 0;
    for (const double d : differences) {
        observed += d;
        magnitude += std::abs(d);
    }
    // Sums of the same numbers in another order differ by rounding; such a tie counts as reaching
    // the observed sum.
    const double reach = std::abs(observed) - 1e-12 * magnitude;
    std::uint64_t reached = 0;
    const std::uint64_t patterns = std::uint64_t{1} << differences.size();
    for (std::uint64_t pattern = 0; pattern < patterns; ++pattern) {
        double sum = 0;
        for (std::size_t i = 0; i < differences.size(); ++i) {
            sum += (pattern >> i & 1) != 0 ? differences[i] : -differences[i];
        }
        if (std::abs(sum) >= reach) ++reached;
    }
    return static_cast<double>(reached) / static_cast<double>(patterns);
}

}  // namespace crucible::lab::stats
