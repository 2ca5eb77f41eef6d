#include "lab/scale/degradation.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "lab/stats/trend.h"

namespace crucible::lab::scale {

LoadSlope slope_against_load(std::span<const double> loads, std::span<const double> values,
                             double level) {
    stats::require_level(level);
    stats::require_finite(loads);
    stats::require_finite(values);
    CRUCIBLE_ASSERT(loads.size() == values.size() && loads.size() >= 2);
    const auto slope = stats::theil_sen(loads, values, level);
    std::vector<std::size_t> order(loads.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return loads[i]; });
    // Of several values of one load only their mean: their order says nothing.
    std::vector<double> means;
    for (std::size_t first = 0; first < order.size();) {
        std::size_t end = first;
        double sum = 0;
        while (end < order.size() && loads[order[end]] == loads[order[first]]) {
            sum += values[order[end++]];
        }
        means.push_back(sum / static_cast<double>(end - first));
        first = end;
    }
    return {.slope = slope, .p_value = stats::mann_kendall(means).p_value};
}

Degradation degradation(std::span<const LoadedPoint> points) {
    CRUCIBLE_ASSERT(!points.empty());
    std::vector<LoadedPoint> sorted(points.begin(), points.end());
    std::ranges::sort(sorted, {}, &LoadedPoint::load);
    for (const auto& point : sorted) {
        CRUCIBLE_ASSERT(point.load > 0 && point.throughput >= 0 && point.latency > 0);
    }
    // max_element and min_element give the first of equals.
    const auto best = std::ranges::max_element(sorted, {}, &LoadedPoint::throughput);
    const auto worst = std::ranges::min_element(best, sorted.end(), {}, &LoadedPoint::throughput);
    const auto& lowest = sorted.front();
    const auto& highest = sorted.back();
    Degradation result{
        .best_load = best->load, .best_throughput = best->throughput, .worst_load = worst->load};
    if (best->throughput > 0) result.throughput_lost = 1 - worst->throughput / best->throughput;
    result.latency_growth = highest.latency / lowest.latency;
    result.latency_growth_past = highest.latency / best->latency;
    result.error_rise = highest.error_rate - lowest.error_rate;
    result.error_rise_past = highest.error_rate - best->error_rate;
    return result;
}

}  // namespace crucible::lab::scale
