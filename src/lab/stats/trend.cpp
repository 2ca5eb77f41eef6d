#include "lab/stats/trend.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "lab/stats/interval.h"
#include "lab/stats/robust.h"

namespace crucible::lab::stats {

namespace {

/// 18 times the variance that `n` values, all different, give Kendall's S.
double spread(double n) {
    return n * (n - 1) * (2 * n + 5);
}

/// What equal values among these take from it.
double tied_spread(std::span<const double> values) {
    std::vector<double> sorted(values.begin(), values.end());
    std::sort(sorted.begin(), sorted.end());
    double result = 0;
    for (auto group = sorted.begin(); group != sorted.end();) {
        const auto end = std::upper_bound(group, sorted.end(), *group);
        result += spread(static_cast<double>(end - group));
        group = end;
    }
    return result;
}

std::vector<double> pair_slopes(std::span<const double> x, std::span<const double> y) {
    require_finite(x);
    require_finite(y);
    CRUCIBLE_ASSERT(x.size() == y.size());
    std::vector<double> slopes;
    slopes.reserve(x.size() * x.size() / 2);
    for (std::size_t i = 0; i < x.size(); ++i) {
        for (std::size_t j = i + 1; j < x.size(); ++j) {
            if (x[i] != x[j]) slopes.push_back((y[j] - y[i]) / (x[j] - x[i]));
        }
    }
    return slopes;
}

}  // namespace

TrendTest mann_kendall(std::span<const double> values) {
    require_finite(values);
    TrendTest result;
    if (values.size() < 3) return result;
    for (std::size_t i = 0; i < values.size(); ++i) {
        for (std::size_t j = i + 1; j < values.size(); ++j) {
            result.s += (values[j] > values[i]) - (values[j] < values[i]);
        }
    }
    const double variance = spread(static_cast<double>(values.size())) - tied_spread(values);
    if (!(variance > 0)) return result;
    const auto sign = static_cast<double>((result.s > 0) - (result.s < 0));
    result.z = (static_cast<double>(result.s) - sign) / std::sqrt(variance / 18);
    result.p_value =
        2 * boost::math::cdf(boost::math::complement(boost::math::normal(), std::abs(result.z)));
    return result;
}

double theil_sen_slope(std::span<const double> x, std::span<const double> y) {
    return median(pair_slopes(x, y));
}

LocationEstimate theil_sen(std::span<const double> x, std::span<const double> y, double level) {
    require_level(level);
    std::vector<double> slopes = pair_slopes(x, y);
    constexpr double kInfinite = std::numeric_limits<double>::infinity();
    LocationEstimate result{median_in_place(slopes), {-kInfinite, kInfinite}, level};
    const double variance =
        (spread(static_cast<double>(x.size())) - tied_spread(x) - tied_spread(y)) / 18;
    const double reach = boost::math::quantile(boost::math::normal(), (1 + level) / 2) *
                         std::sqrt(std::max(variance, 0.0));
    const double below = std::floor((static_cast<double>(slopes.size()) - reach) / 2);
    if (below < 1) return result;
    std::sort(slopes.begin(), slopes.end());
    const auto rank = static_cast<std::size_t>(below);
    result.interval = {slopes[rank - 1], slopes[slopes.size() - rank]};
    return result;
}

}  // namespace crucible::lab::stats
