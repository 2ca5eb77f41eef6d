#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lab/scale/axis.h"
#include "lab/scale/degradation.h"
#include "lab/scale/scaling_trial.h"
#include "lab/scale/usl.h"

namespace crucible::lab::scale {

/// What a target did at one load, round by round.
struct SweepPoint {
    double load = 0;
    std::vector<std::uint32_t> rounds;  ///< the numbers of those below
    /// Of valid trials, net of the harness in the same round at the same load.
    std::vector<std::vector<MetricValue>> metrics;
    std::uint32_t held = 0;            ///< valid trials in which nothing was broken
    std::uint32_t broken = 0;          ///< and in which something was
    std::vector<std::string> details;  ///< what was broken, one line each
    std::vector<std::string> invalid;  ///< why trials were not valid, one line each
};

/// A target along the axis: points with rising loads.
struct Sweep {
    std::vector<SweepPoint> points;

    /// By round, (load, value) of a metric at all points that have it.
    using ByRound = std::map<std::uint32_t, std::vector<std::pair<double, double>>>;
    ByRound by_round(std::string_view metric) const;
    /// All values of a metric, as the law of scalability is fitted to them; those above 0.
    std::vector<CurvePoint> curve(std::string_view metric) const;
};

/// Adds a trial and, net of the harness where there is one, its metrics.
void add_to(SweepPoint& point, std::uint32_t round, const ScalingTrial& trial,
            std::vector<MetricValue> metrics);

/// How performance degrades with more load than the best, from Hodges and Lehmann's estimates over
/// rounds; latency is the 99th percentile. Intervals are of the differences within rounds, with
/// `seed` for draws of them. nullopt: no point has a throughput.
std::optional<Degradation> degradation_of(const Sweep& sweep, std::uint64_t seed);
/// How a metric changes with each further unit of load up to `highest`, with all rounds' values.
/// Values of one round share noise, so that the interval is Hodges and Lehmann's of the rounds' own
/// slopes, with infinite ends below six of them; of a single round it is Sen's. nullopt: the metric
/// was measured at fewer than two such loads.
std::optional<LoadSlope> slope_of(const Sweep& sweep, std::string_view metric, double highest);

/// Up to which load what must hold is known to.
struct LoadLimit {
    std::optional<double> lower;  ///< the highest load that held
    std::optional<double> upper;  ///< the lowest that broke
    std::string detail;           ///< what broke there, in one line
};
/// Where something broke in a sweep without an SLO, as by the target's death: the lowest load of
/// which no more trials held than were broken, and the highest below it of which more did. nullopt:
/// nowhere.
std::optional<LoadLimit> limit_of(const Sweep& sweep);

}  // namespace crucible::lab::scale
