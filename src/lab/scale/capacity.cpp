#include "lab/scale/capacity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "base/assert.h"
#include "lab/stats/signed_rank.h"

namespace crucible::lab::scale {
namespace {

constexpr double kFarthest = 2;    ///< times the highest measured load
constexpr double kNearPeak = 0.6;  ///< of the peak's load
constexpr std::size_t kNearPeakMin = 6;

Error bad_demand(std::string_view name, double value, std::string_view allowed) {
    return {Errc::invalid_argument,
            fmt::format("forecast: {} is {:g}; allowed: {}", name, value, allowed)};
}

void refuse(Forecast& forecast, Refusal refusal, std::string reason) {
    forecast.refused.push_back({refusal, std::move(reason)});
}

std::set<double> loads_of(std::span<const CurvePoint> points) {
    std::set<double> loads;
    for (const auto& point : points) loads.insert(point.load);
    return loads;
}

/// Of the loads that held, by all rounds: a single trial can do more by chance.
std::optional<double> smallest_enough(std::span<const CurvePoint> points, double needed,
                                      const std::optional<LoadLimit>& limit) {
    std::map<double, std::vector<double>> by_load;
    for (const auto& point : points) {
        if (!limit || point.load <= limit->lower.value_or(0))
            by_load[point.load].push_back(point.throughput);
    }
    for (const auto& [load, throughputs] : by_load)
        if (stats::hodges_lehmann_estimate(throughputs) >= needed) return load;
    return std::nullopt;
}

/// Whether the measured curve can carry a forecast at all.
void judge_fit(Forecast& forecast, const UslFit& fit, std::span<const CurvePoint> points) {
    if (!fit.hold_out) {
        refuse(forecast, Refusal::too_few_points,
               fmt::format("{} loads measured; the law is not checked with fewer than {}",
                           count_loads(points), kHoldOutLoadsMin));
    } else if (!fit.hold_out->passed) {
        refuse(forecast, Refusal::hold_out_failed,
               fmt::format("fitted to the lower loads, the law misses the {} highest by up "
                           "to {:.0f} % (allowed: {:.0f} %)",
                           fit.hold_out->held_out, 100 * fit.hold_out->worst_error,
                           100 * HoldOut::kTolerance));
    }
    if (!fit.peak) {
        refuse(forecast, Refusal::too_few_near_peak,
               fmt::format("no load measured, up to {:g}, shows where throughput peaks",
                           fit.load_max));
        return;
    }
    const auto near = static_cast<std::size_t>(std::ranges::count_if(
        loads_of(points), [&](double load) { return load > kNearPeak * *fit.peak; }));
    if (near < kNearPeakMin) {
        refuse(forecast, Refusal::too_few_near_peak,
               fmt::format("{} loads measured past {:.3g}, 60 % of the peak's {:.1f} (at least {}: "
                           "more --points there)",
                           near, kNearPeak * *fit.peak, *fit.peak, kNearPeakMin));
    }
}

/// Smallest whole load up to `most` at which `capacity` is enough.
template <typename Capacity>
std::optional<double> smallest_load(double needed, double most, const Capacity& capacity) {
    for (double load = 1; load <= most; ++load) {
        if (capacity(load) >= needed) return load;
    }
    return std::nullopt;
}

/// Whether `most`, which it may take, was seen to hold.
void judge_slo(Forecast& forecast, const std::optional<LoadLimit>& limit, double most) {
    if (!limit) return;
    if (limit->upper && most >= *limit->upper) {
        refuse(forecast, Refusal::slo_broken,
               fmt::format("it takes up to {:g}, and at {:g} what must hold is broken: {}", most,
                           *limit->upper, limit->detail));
    } else if (!limit->lower || most > *limit->lower) {
        refuse(forecast, Refusal::slo_unknown,
               fmt::format("it takes up to {:g}, and {}", most,
                           limit->lower
                               ? fmt::format("more than {:g} was not seen to hold", *limit->lower)
                               : "no load was seen to hold"));
    }
}

void find_load(Forecast& forecast, const UslFit& fit, double level,
               const std::optional<LoadLimit>& limit) {
    const double needed = forecast.required.needed();
    const double farthest = std::floor(kFarthest * fit.load_max);
    // Past the peak more load gives less.
    const double most = fit.peak ? std::min(farthest, std::ceil(*fit.peak)) : farthest;
    if (fit.limit && needed > *fit.limit) {
        refuse(forecast, Refusal::beyond_the_peak,
               fmt::format("it takes {:.4g}/s, and the curve reaches {:.4g}/s at most", needed,
                           *fit.limit));
        return;
    }
    const auto found = smallest_load(needed, most, [&](double load) { return fit.law.at(load); });
    if (!found && most < farthest) {
        refuse(forecast, Refusal::beyond_the_peak,
               fmt::format("it takes {:.4g}/s, which no whole number before the peak at {:.1f} "
                           "reaches",
                           needed, *fit.peak));
        return;
    }
    if (!found) {
        refuse(forecast, Refusal::too_far,
               fmt::format("it takes more than {:g}, twice the highest load measured ({:g})",
                           farthest, fit.load_max));
        return;
    }
    const auto low =
        smallest_load(needed, *found, [&](double load) { return fit.curve_interval(load).high; });
    const auto high = smallest_load(needed, std::max(farthest, *found),
                                    [&](double load) { return fit.curve_interval(load).low; });
    judge_slo(forecast, limit, high.value_or(*found));
    if (!high) {
        refuse(forecast, Refusal::unbounded,
               fmt::format("at {:g} % no load up to {:g} is sure to carry {:.4g}/s", 100 * level,
                           farthest, needed));
        return;
    }
    forecast.needed = *found;
    forecast.interval = {low.value_or(*found), *high};
    forecast.capacity = fit.law.at(*found);
}

void finish(Forecast& forecast, const Demand& demand) {
    const double rate = forecast.required.peak_rate;
    forecast.utilization = rate / forecast.capacity;
    forecast.drain_seconds = drain_time(rate, demand.stall, forecast.capacity);
}

}  // namespace

Result<> check(const Demand& demand) {
    // Written so that NaN fails too.
    if (!(demand.rate > 0) || !std::isfinite(demand.rate)) {
        return std::unexpected(bad_demand("the rate", demand.rate, "above 0"));
    }
    if (!(demand.peak_factor >= 1) || !std::isfinite(demand.peak_factor)) {
        return std::unexpected(bad_demand("the peak factor", demand.peak_factor, "1 or more"));
    }
    if (!(demand.headroom >= 0 && demand.headroom < 1)) {
        return std::unexpected(bad_demand("the headroom", demand.headroom, "0 to below 1"));
    }
    if (!(demand.stall >= 0) || !std::isfinite(demand.stall)) {
        return std::unexpected(bad_demand("the stall", demand.stall, "0 s or more"));
    }
    if (demand.stall > 0 && (!(demand.drain_within > 0) || !std::isfinite(demand.drain_within))) {
        return std::unexpected(
            bad_demand("the time to drain in", demand.drain_within, "above 0 s, with a stall"));
    }
    return {};
}

RequiredCapacity required_capacity(const Demand& demand) {
    CRUCIBLE_ASSERT(check(demand));
    RequiredCapacity required;
    required.peak_rate = demand.rate * demand.peak_factor;
    required.for_peak = required.peak_rate / (1 - demand.headroom);
    // lambda D / (mu - lambda) <= T, solved for mu.
    required.for_draining = demand.stall > 0
                                ? required.peak_rate * (1 + demand.stall / demand.drain_within)
                                : required.peak_rate;
    return required;
}

double drain_time(double rate, double stall, double capacity) {
    CRUCIBLE_ASSERT(rate > 0 && stall >= 0 && capacity > 0);
    if (stall == 0) return 0;
    if (capacity <= rate) return std::numeric_limits<double>::infinity();
    return rate * stall / (capacity - rate);
}

Forecast forecast(std::span<const CurvePoint> points, const Demand& demand, double level,
                  const std::optional<LoadLimit>& limit) {
    Forecast result{.required = required_capacity(demand)};
    result.measured_enough = smallest_enough(points, result.required.needed(), limit);
    if (!enough_for_usl(points)) {
        refuse(result, Refusal::too_few_points,
               fmt::format("{} points at {} loads measured; a fit takes {} at {}", points.size(),
                           count_loads(points), kUslPointsMin, kUslLoadsMin));
        return result;
    }
    const auto fit = fit_usl(points, Weighting::relative, level);
    if (!fit) {
        refuse(result, Refusal::too_few_points, "no curve of the law fits the points");
        return result;
    }
    judge_fit(result, *fit, points);
    find_load(result, *fit, level, limit);
    if (!result.refused.empty()) {
        // The reasons stand alone: a figure beside them would be taken for a forecast.
        return {.required = result.required,
                .refused = std::move(result.refused),
                .measured_enough = result.measured_enough};
    }
    finish(result, demand);
    return result;
}

Forecast forecast_instances(const stats::LocationEstimate& capacity, double measured_instances,
                            const Demand& demand) {
    CRUCIBLE_ASSERT(capacity.interval.low > 0 && measured_instances >= 1);
    Forecast result{.required = required_capacity(demand)};
    const double needed = result.required.needed();
    if (needed <= capacity.estimate * measured_instances) {
        result.measured_enough = measured_instances;
    }
    const double instances = std::ceil(needed / capacity.estimate);
    const stats::Interval interval{std::ceil(needed / capacity.interval.high),
                                   std::ceil(needed / capacity.interval.low)};
    if (interval.high > kFarthest * measured_instances) {
        const auto most = interval.high > instances ? fmt::format("up to {:g}", interval.high)
                                                    : fmt::format("{:g}", instances);
        refuse(result, Refusal::too_far,
               fmt::format("it takes {} instances, more than twice the {:g} measured together",
                           most, measured_instances));
        return result;
    }
    result.needed = instances;
    result.interval = interval;
    result.capacity = instances * capacity.estimate;
    finish(result, demand);
    return result;
}

}  // namespace crucible::lab::scale
