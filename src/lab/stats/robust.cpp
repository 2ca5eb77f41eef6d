#include "lab/stats/robust.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {

double median_in_place(std::span<double> values) {
    CRUCIBLE_ASSERT(!values.empty());
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 == 1) return *middle;
    const double below = *std::max_element(values.begin(), middle);
    return below + (*middle - below) / 2;
}

double median(std::span<const double> values) {
    CRUCIBLE_ASSERT(!values.empty());
    require_finite(values);
    std::vector<double> copy(values.begin(), values.end());
    return median_in_place(copy);
}

double median_absolute_deviation(std::span<const double> values) {
    const double center = median(values);
    std::vector<double> deviations;
    deviations.reserve(values.size());
    for (const double value : values) deviations.push_back(std::abs(value - center));
    return median_in_place(deviations);
}

double interpolated_quantile(std::span<const double> sorted, double p) {
    CRUCIBLE_ASSERT(!sorted.empty() && p >= 0 && p <= 1);
    const double position = p * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(position);
    if (below + 1 >= sorted.size()) return sorted.back();
    return sorted[below] +
           (position - static_cast<double>(below)) * (sorted[below + 1] - sorted[below]);
}

}  // namespace crucible::lab::stats
