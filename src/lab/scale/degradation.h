#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "lab/scale/curve_rounds.h"
#include "lab/stats/interval.h"

namespace crucible::lab::scale {

/// A figure against load: memory against clients, latency against rate.
struct LoadSlope {
    stats::LocationEstimate slope;  ///< per unit of load: Theil-Sen
    double p_value = 1;             ///< two-sided, of "it does not change with load": Mann-Kendall
};
/// Of the figure `values` at `loads`, one each, in any order; several of one load are welcome. At
/// least two different loads. The interval is Sen's, of values that are independent of each other;
/// it has infinite ends where there are too few for `level`.
/// A straight line is what it says; latency near a breaking point is none, so give it the loads
/// below.
LoadSlope slope_against_load(std::span<const double> loads, std::span<const double> values,
                             double level);

/// One load as measured.
struct LoadedPoint {
    double load = 0;        ///< > 0
    double throughput = 0;  ///< events/s, >= 0
    /// Seconds, of one percentile, > 0. None where it has no value of its own: it grew for as long
    /// as the load lasted.
    std::optional<double> latency;
    double error_rate = 0;  ///< share of events, in [0, 1]
};

/// With its 95 % interval, or why there is none, or no value.
struct DegradationFigure {
    std::optional<double> value;
    std::optional<stats::Interval> interval;
    std::string absent;
};

/// What more load than the best one costs, as measured and not by any law.
struct Degradation {
    /// Of the highest throughput; the lowest such load. Its interval holds every load that was not
    /// seen to do less.
    DegradationFigure best_load;
    double best_throughput = 0;
    double worst_load = 0;  ///< of the lowest throughput past the best load; the same as best_load
                            ///< where no higher one was measured
    DegradationFigure throughput_lost;  ///< share of the best throughput, at worst_load
    /// The lowest and the highest load that have a latency; none: not one has.
    std::optional<double> latency_from;
    std::optional<double> latency_to;
    DegradationFigure latency_growth;       ///< latency at latency_to over that at latency_from
    DegradationFigure latency_growth_past;  ///< over that at best_load
    DegradationFigure error_rise;       ///< error rate at the highest load minus that at the lowest
    DegradationFigure error_rise_past;  ///< minus that at best_load
};
/// Of points with different loads, in any order; at least one. Without intervals.
Degradation degradation(std::span<const LoadedPoint> points);

/// Below, too few different draws of rounds exist for a 95 % interval.
inline constexpr std::size_t kDegradationRoundsMin = 5;

/// The intervals of best_load and throughput_lost from `rounds` of throughput, at least
/// kDegradationRoundsMin, at the loads that `found` is of. The largest and the smallest of several
/// values differ by chance alone, so that they hold for all pairs of loads at once: as far as the
/// largest difference between two loads' means in ln strays from the measured one in 95 % of draws
/// of rounds, further for few rounds as Student's distribution is wider than the normal.
void set_throughput_intervals(Degradation& found, const CurveRounds& rounds, std::uint64_t seed);

}  // namespace crucible::lab::scale
