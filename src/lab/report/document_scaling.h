#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lab/report/document_common.h"

namespace crucible::lab::report {

/// What a target did at one load.
struct ScalingPoint {
    double load = 0;
    std::uint64_t rounds = 0;
    std::uint64_t held = 0;
    std::uint64_t broken = 0;
    std::vector<std::string> details;
    std::vector<std::string> invalid;
    std::vector<MemoryMetric> metrics;
};

/// Until which load a target holds.
struct BreakingPointRow {
    std::optional<double> lower;
    std::optional<double> upper;
    Estimate estimate;
    std::string ending;
    std::string slo_broken;  ///< empty: nothing broke
    std::string detail;
    std::optional<double> conditional_throughput;
    std::uint64_t trials = 0;
    std::uint64_t invalid_trials = 0;
    std::string invalid;
    std::optional<bool> soak_passed;
    std::optional<double> soak_load;
    std::string soak_absent;  ///< why a soak said nothing; else empty
    struct FailedSoak {
        double load = 0;
        double seconds = 0;
    };
    std::vector<FailedSoak> reopened_by;  ///< each had the search go on with trials of its length
    std::optional<bool> hysteresis;       ///< absent: nobody looked, or hysteresis_absent
    std::string hysteresis_absent;
    std::optional<double> recovers_at;
    std::optional<double> broken_down_to;  ///< lowest load that it did not recover at
    /// From the fall of the load to the first trial that was held, where it recovers.
    std::optional<double> recovery_seconds;
    std::optional<double> recovery_allowed_seconds;  ///< to the first trial that counts
    std::string death;                               ///< empty: it never died
    std::optional<double> died_at;
};

/// The law of scalability through a target's points.
struct LawRow {
    std::string absent;  ///< why there is none
    Estimate gamma;
    Estimate alpha;
    Estimate beta;
    std::optional<Estimate> peak;
    std::optional<Estimate> limit;
    bool amdahl = false;
    std::uint64_t measurements = 0;
    double p_few_runs = 1;
    bool held_out = false;                 ///< whether it was checked at the highest loads
    std::optional<double> hold_out_error;  ///< absent: the lower ones have no law
    bool hold_out_passed = false;
    /// One at a load.
    struct At {
        double load = 0;
        Estimate throughput;
    };
    std::vector<At> curve;
};

/// What more load than the best one costs.
struct DegradationRow {
    struct Figure {
        Estimate estimate;
        std::string absent;  ///< why it has no interval, or no value
    };
    Figure best_load;
    double best_throughput = 0;
    double worst_load = 0;
    Figure throughput_lost;
    std::optional<double> latency_from;  ///< the lowest and the highest load that have a latency
    std::optional<double> latency_to;
    Figure latency_growth;       ///< between these
    Figure latency_growth_past;  ///< from best_load to latency_to
    Figure error_rise;           ///< over all loads
    Figure error_rise_past;      ///< from best_load on
};

/// How much carries a demand.
struct ForecastRow {
    double rate = 0;
    double peak_factor = 1;
    double headroom = 0;
    std::string refused;      ///< empty: it was not
    std::string of;           ///< "clients"
    double stall = 0;         ///< seconds, whose backlog is to be gone
    double drain_within = 0;  ///< so soon after it
    std::optional<double> required;
    std::optional<Estimate> needed;
    std::optional<double> measured_enough;
    std::optional<double> utilization;
    std::optional<double> drain_seconds;
};

/// What binds at a target's limit.
/// A verdict that was not given.
struct OtherVerdict {
    std::string verdict;
    bool holds = false;  ///< it binds, too, but another one takes precedence
    std::string why;
};

struct BottleneckRow {
    double load = 0;
    std::string verdict;
    std::string confidence;
    std::string why_confidence;
    std::string reason;
    std::vector<std::string> evidence;  ///< observed values against thresholds
    std::optional<double> under_way;    ///< events, mean
    std::optional<double> under_way_most;
    std::optional<double> samples;     ///< of what every thread did
    std::optional<double> core_share;  ///< of one core, that they took
    std::vector<OtherVerdict> others;
    std::string change;  ///< "workers=3"; empty: none
    std::string why_change;
    std::optional<double> predicted;  ///< none: without a bound
    std::optional<Estimate> measured;
    bool confirmed = false;
    std::string no_change;          ///< why nothing was changed or measured
    std::vector<std::string> laws;  ///< operational laws, one a line
};

/// One limit of the machine, and what is used of it.
struct ResourceLimitRow {
    std::string name;
    std::string kind;
    std::string unit;
    std::optional<double> used;
    std::optional<double> limit;
    std::optional<double> share;
    Estimate binds_at;  ///< load; without a value `refused` says why
    std::string refused;
};

struct ScalingTarget {
    std::string target;
    std::optional<BottleneckRow> bottleneck;
    std::string why_no_bottleneck;
    std::vector<ResourceLimitRow> limits;  ///< the nearest first
    std::vector<ScalingPoint> points;
    std::optional<BreakingPointRow> breaking_point;
    LawRow law;
    std::optional<DegradationRow> degradation;
    std::vector<MemoryMetric> slopes;  ///< for each more of the load
    std::optional<ForecastRow> forecast;
};

/// Candidate over baseline at one load.
struct ScalingRatio {
    std::string metric;
    bool higher_is_better = false;
    Estimate ratio;
};
struct ComparedPoint {
    double load = 0;
    std::vector<ScalingRatio> ratios;
};

/// Candidate over baseline over all loads that most rounds have: the mean of their ratios in ln.
struct RatioOverLoads {
    std::size_t loads = 0;
    ScalingRatio of;
};

/// A target against the first one, candidate over baseline, as the curves of both say.
struct ScalingComparison {
    std::string baseline;
    std::string candidate;
    std::vector<ComparedPoint> points;
    std::vector<RatioOverLoads> over_loads;
    std::string why_no_curves;  ///< are compared; empty: they are
    /// Of the laws through both curves, candidate over baseline, or minus it where it is a
    /// difference: what one does, contention, coherency, the most there is, and the load it is at.
    std::optional<Estimate> gamma_ratio;
    std::optional<Estimate> alpha_difference;
    std::optional<Estimate> beta_difference;
    std::optional<Estimate> limit_ratio;
    std::optional<Estimate> peak_ratio;
};

/// Until when one system holds, or each of several.
struct ScalingDocument {
    Header header;
    bool out_of_time = false;
    std::string axis;
    std::string unit;
    std::string scenario;
    std::string description;
    Load load;
    std::string slo;  ///< empty: none
    std::vector<ScalingTarget> targets;
    /// Of each further target with the first; none where no load was measured.
    std::vector<ScalingComparison> comparisons;
};

}  // namespace crucible::lab::report
