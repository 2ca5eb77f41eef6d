#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "lab/scale/sweep.h"
#include "lab/scale/usl.h"
#include "lab/stats/interval.h"

namespace crucible::lab::scale {

/// What a system has to stand.
struct Demand {
    double rate = 0;          ///< events/s on average, > 0
    double peak_factor = 1;   ///< the peak's rate over the average, >= 1
    double headroom = 0;      ///< share of the capacity that stays free at the peak, in [0, 1)
    double stall = 0;         ///< seconds for which nothing is served, >= 0
    double drain_within = 0;  ///< seconds in which the backlog has to be gone; > 0 if stall is
};
/// Errc::invalid_argument, naming the figure and what is allowed.
Result<> check(const Demand& demand);

/// Capacity that a demand asks for, in events/s.
struct RequiredCapacity {
    double peak_rate = 0;     ///< rate * peak_factor
    double for_peak = 0;      ///< peak_rate / (1 - headroom)
    double for_draining = 0;  ///< peak_rate * (1 + stall / drain_within)
    double needed() const noexcept { return for_peak > for_draining ? for_peak : for_draining; }
};
RequiredCapacity required_capacity(const Demand& demand);

/// Seconds until the backlog of a stall is gone: rate * stall / (capacity - rate). Infinite where
/// capacity <= rate.
double drain_time(double rate, double stall, double capacity);

enum class Refusal : std::uint8_t {
    too_few_points,     ///< no fit, or no hold-out check: below six loads
    too_far,            ///< more than twice the highest measured load
    too_few_near_peak,  ///< fewer than six loads past 60 % of the peak's load
    hold_out_failed,    ///< the law from the lower loads misses the highest ones
    beyond_the_peak,    ///< more than the curve's highest throughput: no load reaches it
    unbounded,          ///< the fit does not exclude that no load reaches it
    slo_broken,         ///< what must hold is broken at a load that it may take
    slo_unknown,        ///< it may take more than was seen to hold
};

/// Why there is no forecast, with the figures that say so.
struct Refused {
    Refusal refusal = Refusal::too_few_points;
    std::string reason;
};

/// How many clients, workers or instances carry a demand.
struct Forecast {
    RequiredCapacity required;
    std::vector<Refused> refused;  ///< every reason there is; empty: the forecast stands
    /// Smallest measured load that held and whose throughput, Hodges and Lehmann's estimate over
    /// its points, was enough: holds whatever is refused.
    std::optional<double> measured_enough;
    // Only where nothing is refused:
    double needed = 0;         ///< whole number, by the estimate
    stats::Interval interval;  ///< whole numbers; plan with the upper one
    double capacity = 0;       ///< events/s of `needed`
    double utilization = 0;    ///< peak_rate / capacity
    double drain_seconds = 0;  ///< after a stall at the peak's rate
};

/// By the law fitted to `points` as fit_usl() wants them. `demand` has been checked. With `limit`,
/// the loads up to its lower bound are all that is known to hold: more throughput beyond carries
/// nothing.
Forecast forecast(std::span<const CurvePoint> points, const Demand& demand, double level = 0.95,
                  const std::optional<LoadLimit>& limit = {});

/// By the capacity that one instance was seen to hold, > 0, for instances that share nothing
/// (capacities add up), of which `measured_instances` ran together in the measurement. Its interval
/// says what it may hold less or more at other times; low > 0.
Forecast forecast_instances(const stats::LocationEstimate& capacity, double measured_instances,
                            const Demand& demand);

}  // namespace crucible::lab::scale
