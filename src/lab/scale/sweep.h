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
#include "lab/scale/search.h"
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
    std::uint32_t invalid_trials = 0;  ///< that say nothing
    std::vector<std::string> details;  ///< what was broken, one line each
    /// Beside each line of `details`: the text of a limit, or one of kBroken….
    std::vector<std::string> objectives;
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

/// How performance degrades with more load than the best, from medians over rounds; latency is the
/// 99th percentile. Intervals are of the differences within rounds, with `seed` for draws of them.
/// nullopt: no point has a throughput.
std::optional<Degradation> degradation_of(const Sweep& sweep, std::uint64_t seed);
/// How a metric changes with each further unit of load up to `highest`, with all rounds' values.
/// Values of one round share noise, so that the interval is Hodges and Lehmann's of the rounds' own
/// slopes, with infinite ends below six of them; of a single round it is Sen's. nullopt: the metric
/// was measured at fewer than two such loads.
std::optional<LoadSlope> slope_of(const Sweep& sweep, std::string_view metric, double highest);

/// The limits of an SLO against a sweep, point by point: the highest load of which more trials than
/// not held, with no broken one below it, and the lowest of which no more held than were broken.
struct SweepLimit {
    std::optional<double> lower;
    std::optional<double> upper;
    /// running: not all loads were measured, or none below the upper one in a valid trial
    Ending ending = Ending::running;
    std::string broken;   ///< at the upper one: the text of a limit, or one of kBroken…
    std::string detail;   ///< and its figures, in one line
    std::string invalid;  ///< with injector_limited: why trials of the next load were not valid
};
SweepLimit sweep_limit(const Sweep& sweep);

}  // namespace crucible::lab::scale
