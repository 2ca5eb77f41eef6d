#pragma once

#include <optional>
#include <span>

#include "lab/stats/interval.h"

namespace crucible::lab::scale {

/// A figure against load: memory against clients, latency against rate.
struct LoadSlope {
    stats::LocationEstimate slope;  ///< per unit of load: Theil-Sen with Sen's interval
    double p_value = 1;             ///< two-sided, of "it does not change with load": Mann-Kendall
};
/// Of the figure `values` at `loads`, one each, in any order; several of one load are welcome. At
/// least two different loads. The interval has infinite ends where there are too few for `level`.
/// A straight line is what it says; latency near a breaking point is none, so give it the loads
/// below.
LoadSlope slope_against_load(std::span<const double> loads, std::span<const double> values,
                             double level);

/// One load as measured.
struct LoadedPoint {
    double load = 0;        ///< > 0
    double throughput = 0;  ///< events/s, >= 0
    double latency = 0;     ///< seconds, of one percentile, > 0
    double error_rate = 0;  ///< share of events, in [0, 1]
};

/// What more load than the best one costs, as measured and not by any law.
struct Degradation {
    double best_load = 0;  ///< of the highest throughput; the lowest such load
    double best_throughput = 0;
    double worst_load = 0;           ///< of the lowest throughput past the best load; the same as
                                     ///< best_load where no higher one was measured
    double throughput_lost = 0;      ///< share of the best throughput, at worst_load
    double latency_growth = 1;       ///< latency at the highest load over that at the lowest
    double latency_growth_past = 1;  ///< over that at best_load
    double error_rise = 0;           ///< error rate at the highest load minus that at the lowest
    double error_rise_past = 0;      ///< minus that at best_load
};
/// Of points with different loads, in any order; at least one.
Degradation degradation(std::span<const LoadedPoint> points);

}  // namespace crucible::lab::scale
