#include "lab/stats/quantile_estimate.h"

#include <algorithm>
#include <boost/math/special_functions/beta.hpp>
#include <cmath>
#include <vector>

#include "lab/stats/interval.h"
#include "lab/stats/quantile_ranks.h"
#include "lab/stats/robust.h"

namespace crucible::lab::stats {

OrderStatisticMoments beta_weighted(std::span<const double> sorted, double a, double b) {
    require_finite(sorted);
    CRUCIBLE_ASSERT(!sorted.empty() && a > 0 && b > 0);
    CRUCIBLE_ASSERT(std::ranges::is_sorted(sorted));
    const auto n = static_cast<double>(sorted.size());
    OrderStatisticMoments result;
    double squares = 0;
    double below = 0;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
        const double up_to = boost::math::ibeta(a, b, static_cast<double>(i + 1) / n);
        const double weight = up_to - below;
        result.mean += weight * sorted[i];
        squares += weight * sorted[i] * sorted[i];
        below = up_to;
    }
    result.standard_deviation = std::sqrt(std::max(0.0, squares - result.mean * result.mean));
    return result;
}

OrderStatisticMoments harrell_davis(std::span<const double> sorted, double p) {
    CRUCIBLE_ASSERT(p > 0 && p < 1);
    const double scale = static_cast<double>(sorted.size()) + 1;
    return beta_weighted(sorted, scale * p, scale * (1 - p));
}

double harrell_davis_jackknife_error(std::span<const double> sorted, double p) {
    CRUCIBLE_ASSERT(sorted.size() >= 2);
    const auto n = static_cast<double>(sorted.size());
    std::vector<double> left(sorted.begin() + 1, sorted.end());
    // The weights' shape stays that of the whole sample.
    const double a = (n + 1) * p;
    const double b = (n + 1) * (1 - p);
    std::vector<double> estimates;
    double mean = 0;
    for (std::size_t left_out = 0; left_out < sorted.size(); ++left_out) {
        estimates.push_back(beta_weighted(left, a, b).mean);
        mean += estimates.back() / n;
        if (left_out < left.size()) left[left_out] = sorted[left_out];
    }
    double squares = 0;
    for (const double estimate : estimates) squares += (estimate - mean) * (estimate - mean);
    return std::sqrt(squares * (n - 1) / n);
}

OrderStatisticMoments nearest_rank_bootstrap(std::span<const double> sorted, double p) {
    const auto rank = static_cast<double>(quantile_rank(sorted.size(), p));
    return beta_weighted(sorted, rank, static_cast<double>(sorted.size()) - rank + 1);
}

double sample_quantile(std::span<const double> sorted, double p, QuantileType type) {
    CRUCIBLE_ASSERT(!sorted.empty() && p >= 0 && p <= 1);
    switch (type) {
        case QuantileType::nearest_rank:
            if (p == 0) return sorted.front();
            return p == 1 ? sorted.back() : sorted[quantile_rank(sorted.size(), p) - 1];
        case QuantileType::linear:
            return interpolated_quantile(sorted, p);
        case QuantileType::median_unbiased:
            break;
    }
    const auto n = static_cast<double>(sorted.size());
    const double position = std::clamp((n + 1.0 / 3) * p + 1.0 / 3, 1.0, n);
    const auto below = static_cast<std::size_t>(position);
    if (below >= sorted.size()) return sorted.back();
    return sorted[below - 1] +
           (position - static_cast<double>(below)) * (sorted[below] - sorted[below - 1]);
}

}  // namespace crucible::lab::stats
