#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lab/scale/axis.h"
#include "lab/scale/scaling_trial.h"
#include "lab/scale/usl.h"

namespace crucible::lab {

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
    std::vector<scale::CurvePoint> curve(std::string_view metric) const;
};

/// Adds a trial and, net of the harness where there is one, its metrics.
void add_to(SweepPoint& point, std::uint32_t round, const ScalingTrial& trial,
            std::vector<MetricValue> metrics);

/// How performance degrades past the load of the highest throughput, from medians over rounds.
struct Degradation {
    double peak_load = 0;
    double peak_throughput = 0;  ///< events/s
    double last_load = 0;
    double throughput_lost = 0;            ///< share of the peak's that is missing at the last load
    std::optional<double> latency_growth;  ///< p99 at the last load over that at the peak
    std::optional<double> error_rate;      ///< at the last load
};
/// nullopt: no point has a throughput.
std::optional<Degradation> degradation(const Sweep& sweep);

/// The limits of an SLO against a sweep, point by point: the highest load of which more trials than
/// not held, with no broken one below it, and the lowest of which more were broken.
struct SweepLimit {
    std::optional<double> lower;
    std::optional<double> upper;
    std::string broken;  ///< at the upper one, in one line
};
SweepLimit sweep_limit(const Sweep& sweep);

}  // namespace crucible::lab
