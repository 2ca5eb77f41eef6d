#include "lab/stats/cliffs_delta.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <vector>

namespace crucible::lab::stats {

CliffsDelta cliffs_delta(std::span<const double> x, std::span<const double> y, double level) {
    require_finite(x);
    require_finite(y);
    require_level(level);
    CRUCIBLE_ASSERT(x.size() >= 2 && y.size() >= 2);
    const auto n = static_cast<double>(x.size());
    const auto m = static_cast<double>(y.size());
    std::vector<double> rows(x.size());  // mean of sign(x_i - y_j) over j
    std::vector<double> columns(y.size());
    double unequal = 0;  // sum of sign^2
    for (std::size_t i = 0; i < x.size(); ++i) {
        for (std::size_t j = 0; j < y.size(); ++j) {
            const int sign = (x[i] > y[j]) - (x[i] < y[j]);
            rows[i] += sign / m;
            columns[j] += sign / n;
            unequal += sign != 0 ? 1 : 0;
        }
    }
    CliffsDelta result;
    for (const double row : rows) result.delta += row / n;
    const double d = result.delta;
    result.a12 = (d + 1) / 2;

    const auto squares = [d](const std::vector<double>& means) {
        double sum = 0;
        for (const double mean : means) sum += (mean - d) * (mean - d);
        return sum;
    };
    const double pairs = unequal - n * m * d * d;  // sum of (sign - delta)^2
    const double variance = std::max(
        (m * m * squares(rows) + n * n * squares(columns) - pairs) / (n * m * (n - 1) * (m - 1)),
        (1 - d * d) / (n * m - 1));
    // Rounding may leave 1 - d^2 a hair below zero.
    result.standard_error = std::sqrt(std::max(0.0, variance));
    if (std::abs(d) >= 1 - 1e-12) return result;

    const double z = boost::math::quantile(boost::math::normal(), (1 + level) / 2);
    const double spread = (1 - d * d) * (1 - d * d) + z * z * variance;
    const double reach = z * result.standard_error * std::sqrt(spread);
    const double scale = 1 - d * d + z * z * variance;
    result.interval = Interval{(d - d * d * d - reach) / scale, (d - d * d * d + reach) / scale};
    return result;
}

}  // namespace crucible::lab::stats
