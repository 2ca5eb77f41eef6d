#include "lab/stats/trend.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <vector>

#include "lab/stats/interval.h"
#include "lab/stats/robust.h"

namespace crucible::lab::stats {

TrendTest mann_kendall(std::span<const double> values) {
    require_finite(values);
    TrendTest result;
    if (values.size() < 3) return result;
    for (std::size_t i = 0; i < values.size(); ++i) {
        for (std::size_t j = i + 1; j < values.size(); ++j) {
            result.s += (values[j] > values[i]) - (values[j] < values[i]);
        }
    }
    const auto spread = [](double n) { return n * (n - 1) * (2 * n + 5); };
    double variance = spread(static_cast<double>(values.size()));
    std::vector<double> sorted(values.begin(), values.end());
    std::sort(sorted.begin(), sorted.end());
    for (auto group = sorted.begin(); group != sorted.end();) {
        const auto end = std::upper_bound(group, sorted.end(), *group);
        variance -= spread(static_cast<double>(end - group));
        group = end;
    }
    if (!(variance > 0)) return result;
    const auto sign = static_cast<double>((result.s > 0) - (result.s < 0));
    result.z = (static_cast<double>(result.s) - sign) / std::sqrt(variance / 18);
    result.p_value =
        2 * boost::math::cdf(boost::math::complement(boost::math::normal(), std::abs(result.z)));
    return result;
}

double theil_sen_slope(std::span<const double> x, std::span<const double> y) {
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
    return median(slopes);
}

}  // namespace crucible::lab::stats
