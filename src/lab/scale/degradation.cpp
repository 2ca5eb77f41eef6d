#include "lab/scale/degradation.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <iterator>
#include <numeric>
#include <vector>

#include "base/assert.h"
#include "base/rng.h"
#include "lab/stats/bootstrap.h"
#include "lab/stats/robust.h"
#include "lab/stats/trend.h"

namespace crucible::lab::scale {
namespace {

constexpr double kLossLevel = 0.95;
constexpr std::uint32_t kLossDraws = 2000;

using Logs = std::vector<std::vector<double>>;  ///< [round][load]

/// Of the rounds drawn, at each load.
std::vector<double> mean_logs(const Logs& logs, std::span<const std::size_t> drawn) {
    std::vector<double> mean(logs.front().size());
    for (const std::size_t round : drawn) {
        for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += logs[round][i];
    }
    for (double& value : mean) value /= static_cast<double>(drawn.size());
    return mean;
}

/// Of the difference of any two of `measured`, mean_logs() of all rounds.
double half_width(const Logs& logs, std::span<const double> measured, std::uint64_t seed) {
    base::Rng rng(seed);
    std::vector<std::size_t> drawn(logs.size());
    std::vector<double> furthest;
    for (std::uint32_t draw = 0; draw < kLossDraws; ++draw) {
        for (std::size_t& round : drawn) round = rng.below(drawn.size());
        auto strayed = mean_logs(logs, drawn);
        for (std::size_t i = 0; i < strayed.size(); ++i) strayed[i] -= measured[i];
        const auto [least, most] = std::ranges::minmax(strayed);
        furthest.push_back(most - least);
    }
    std::ranges::sort(furthest);
    const double usual = boost::math::quantile(boost::math::normal(), (1 + kLossLevel) / 2);
    return stats::expanded_reach(drawn.size(), kLossLevel) / usual *
           stats::interpolated_quantile(furthest, kLossLevel);
}

void grow_latency(Degradation& result, std::span<const LoadedPoint> sorted,
                  const LoadedPoint& best) {
    std::vector<LoadedPoint> timed;
    std::ranges::copy_if(sorted, std::back_inserter(timed),
                         [](const LoadedPoint& point) { return point.latency.has_value(); });
    if (timed.empty()) {
        result.latency_growth.absent = result.latency_growth_past.absent =
            "at no load it has a value: it grew for as long as the load lasted";
        return;
    }
    const auto& lowest = timed.front();
    const auto& highest = timed.back();
    result.latency_from = lowest.load;
    result.latency_to = highest.load;
    result.latency_growth.value = *highest.latency / *lowest.latency;
    if (best.latency && best.load <= highest.load) {
        result.latency_growth_past.value = *highest.latency / *best.latency;
    } else {
        result.latency_growth_past.absent =
            "where most is done it has no value: it grew for as long as the load lasted";
    }
}

}  // namespace

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
        CRUCIBLE_ASSERT(point.load > 0 && point.throughput >= 0 && point.latency.value_or(1) > 0);
    }
    // max_element and min_element give the first of equals.
    const auto best = std::ranges::max_element(sorted, {}, &LoadedPoint::throughput);
    const auto worst = std::ranges::min_element(best, sorted.end(), {}, &LoadedPoint::throughput);
    const auto& lowest = sorted.front();
    const auto& highest = sorted.back();
    Degradation result{.best_load = {.value = best->load},
                       .best_throughput = best->throughput,
                       .worst_load = worst->load};
    result.throughput_lost.value =
        best->throughput > 0 ? 1 - worst->throughput / best->throughput : 0;
    grow_latency(result, sorted, *best);
    result.error_rise.value = highest.error_rate - lowest.error_rate;
    result.error_rise_past.value = highest.error_rate - best->error_rate;
    return result;
}

void set_throughput_intervals(Degradation& found, const CurveRounds& rounds, std::uint64_t seed) {
    CRUCIBLE_ASSERT(rounds.rounds.size() >= kDegradationRoundsMin);
    Logs logs = rounds.rounds;
    for (auto& round : logs) {
        for (double& value : round) {
            CRUCIBLE_ASSERT(value > 0);
            value = std::log(value);
        }
    }
    std::vector<std::size_t> all(logs.size());
    std::iota(all.begin(), all.end(), 0);
    const auto measured = mean_logs(logs, all);
    const double half = half_width(logs, measured, seed);
    const auto log_at = [&](double load) {
        const auto at = std::ranges::find(rounds.loads, load);
        CRUCIBLE_ASSERT(at != rounds.loads.end());
        return measured[static_cast<std::size_t>(at - rounds.loads.begin())];
    };
    const double best = log_at(*found.best_load.value);
    stats::Interval loads{*found.best_load.value, *found.best_load.value};
    for (std::size_t i = 0; i < measured.size(); ++i) {
        if (best - measured[i] <= half)
            loads = stats::hull(loads, {rounds.loads[i], rounds.loads[i]});
    }
    found.best_load.interval = loads;
    if (found.worst_load == *found.best_load.value) {
        found.throughput_lost.absent = "no load past the best was measured";
        return;
    }
    const double fall = best - log_at(found.worst_load);
    const double lost = *found.throughput_lost.value;
    found.throughput_lost.interval =
        stats::hull({1 - std::exp(half - fall), 1 - std::exp(-half - fall)}, {lost, lost});
}

}  // namespace crucible::lab::scale
