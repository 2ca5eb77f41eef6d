#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "crucible/error.h"

namespace crucible::lab::report {

// A result file as the renderers see it: the members of docs/formats/README.md under the same
// names, times in seconds, sizes in bytes. All texts are free of control characters.

/// A value with its interval; each part absent where the file has null.
struct Estimate {
    std::optional<double> value;
    std::optional<double> low;
    std::optional<double> high;
    bool has_interval() const noexcept { return low && high; }
};

struct Environment {
    std::string cpu;
    std::uint64_t cores = 0;
    double memory_bytes = 0;
    std::string kernel;
    std::string os;
    std::string governor;  ///< empty: unknown
    std::vector<double> load_average;
    std::optional<double> idle_latency_limit;  ///< absent: none, or not known
    double wakeup_p50 = 0;
    double wakeup_p99 = 0;
};

/// What every result file starts with.
struct Header {
    std::string version;
    std::string commit;
    std::optional<Environment> environment;  ///< of a measurement
    std::vector<std::string> command;
    std::uint64_t seed = 0;
    std::string started;
    std::optional<double> duration_seconds;
    bool interrupted = false;
    std::string failure;  ///< empty: none
};

struct Phase {
    std::string name;
    std::optional<double> rate;  ///< of an open loop, unless it is the axis of a scaling
    std::string pattern;         ///< open loop: as --pattern takes it; empty without a rate
    std::string arrivals;        ///< empty: closed loop
    std::uint64_t events = 0;
    double duration = 0;
    double warmup = 0;
    std::uint64_t window = 0;
    double think = 0;
};

struct Load {
    // What is the axis of a scaling has no value.
    std::optional<std::uint64_t> clients;
    std::optional<std::uint64_t> services;
    std::optional<double> payload_bytes;
    std::string payload;
    std::string mix;
    std::string accounts;
    std::string faults;
    std::string client_cpus;
    std::string system_cpus;
    std::uint64_t events_per_pass = 0;
    bool realtime = false;  ///< asked for
    std::string pacing;
    std::vector<Phase> phases;
};

struct Check {
    std::string name;
    bool passed = true;
    std::string detail;
};

struct Delivery {
    std::uint64_t planned = 0;
    std::uint64_t sent = 0;
    std::uint64_t handled = 0;
    std::uint64_t rejected = 0;
    std::uint64_t lost = 0;
    std::uint64_t duplicated = 0;
    std::uint64_t reordered = 0;
};

/// One figure of the harness alone.
struct HarnessCost {
    std::string name;
    std::string unit;
    double value = 0;
};

/// [quantile, seconds] points, quantiles rising.
using Curve = std::vector<std::pair<double, double>>;

struct ComparedMetric {
    std::string name;
    std::string unit;
    bool higher_is_better = false;
    bool gated = false;
    std::string phase;
    std::optional<Estimate> baseline;
    std::optional<Estimate> candidate;
    std::optional<Estimate> ratio;
    std::optional<Estimate> difference;
    std::optional<Estimate> control;
    std::string verdict;
    std::optional<std::uint64_t> rounds_needed;
    std::string reason;
};

struct Round {
    std::uint64_t number = 0;
    std::vector<std::string> order;
    bool valid = true;
    std::vector<std::string> notes;
    /// arm -> metric -> value; a metric without a value is not there.
    std::map<std::string, std::map<std::string, double>> values;
};

struct Series {
    std::string name;
    std::string phase;
    std::string unit;
    double interval = 0;
    std::vector<double> values;  ///< NaN where there is none
};

/// A stretch of a pattern that has several.
struct SegmentRow {
    std::string phase;
    std::string name;
    double start = 0;
    double duration = 0;
    double planned = 0;
    std::uint64_t sent = 0;
    std::uint64_t handled = 0;
    std::optional<double> latency_p50;
    std::optional<double> latency_p99;
    std::optional<double> latency_max;
};

/// What was predicted of the candidate against the baseline.
struct ExpectationRow {
    std::string metric;
    double low = 0;  ///< fractions
    double high = 0;
    std::string outcome;
    std::string evidence;
};

struct ComparedScenario {
    std::string name;
    std::string description;
    std::uint64_t rounds = 0;
    std::uint64_t rounds_invalid = 0;
    Load load;
    std::vector<Check> checks;
    Delivery baseline_delivery;
    Delivery candidate_delivery;
    std::vector<ComparedMetric> metrics;
    std::vector<ExpectationRow> expectations;
    std::vector<HarnessCost> harness;
    std::vector<Round> round_details;
    std::vector<SegmentRow> baseline_segments;
    std::vector<SegmentRow> candidate_segments;
    std::vector<Series> baseline_series;  ///< of the first round compared
    std::vector<Series> candidate_series;
    Curve baseline_latency;
    Curve candidate_latency;
};

struct CriterionRow {
    std::string name;
    std::string outcome;
    std::string evidence;
};

struct RiskRow {
    std::string scenario;
    std::string metric;
    std::string likelihood;
    std::string impact;
    std::string evidence;
    std::string mitigation;
    std::string rollback;
};

/// How a comparison was judged.
struct Method {
    double margin = 0;
    double confidence = 0;
    std::string interval;
    std::string decision;
};

struct ComparisonDocument {
    Header header;
    std::string baseline;
    std::string candidate;
    Method method;
    std::string verdict;
    bool voided = false;
    std::vector<std::string> reasons;
    std::vector<std::string> cautions;
    std::vector<CriterionRow> criteria;
    std::vector<std::string> recommendations;
    std::vector<RiskRow> risks;
    std::vector<ComparedScenario> scenarios;
};

struct RunMetric {
    std::string name;
    std::string unit;
    bool higher_is_better = false;
    std::string phase;
    Estimate estimate;
    std::uint64_t n = 0;
    std::string interval;  ///< "within_run", "across_trials" or "none"
    std::string absent;    ///< why there is no value
};

struct RunScenario {
    std::string name;
    std::string description;
    Load load;
    std::uint64_t trials = 0;
    std::vector<RunMetric> metrics;
    Delivery delivery;
    std::vector<Check> checks;
    std::vector<SegmentRow> segments;
    std::vector<Series> series;
    std::vector<HarnessCost> harness;
    Curve latency;
};

struct RunDocument {
    Header header;
    std::string target;
    std::vector<RunScenario> scenarios;
};

/// A file that an observation was made from.
struct InputFile {
    std::string path;
    std::string version;   ///< empty: unknown
    std::string target;    ///< empty: of another program
    std::string measured;  ///< empty: unknown
    std::vector<std::pair<std::string, std::string>> machine;
};

/// One side of an observation.
struct Input {
    std::string path;
    std::string kind;
    std::vector<InputFile> files;
};

struct ObservedMetric {
    ComparedMetric compared;  ///< the verdict is what it looks like
    std::uint64_t baseline_count = 0;
    std::uint64_t candidate_count = 0;
    std::optional<Estimate> cliffs_delta;
    std::optional<double> p_rank_sum;
    std::optional<double> p_welch;
};

struct ObservedScenario {
    std::string name;
    std::string description;
    std::uint64_t baseline_repetitions = 0;
    std::uint64_t candidate_repetitions = 0;
    std::optional<Load> load;
    std::optional<Delivery> baseline_delivery;
    std::optional<Delivery> candidate_delivery;
    std::vector<ObservedMetric> metrics;
};

/// Two stored results, which nobody measured in turn: it proves nothing.
struct ObservationDocument {
    Header header;
    Input baseline;
    Input candidate;
    Method method;
    std::vector<std::string> reasons;
    std::vector<Check> checks;
    std::vector<ObservedScenario> scenarios;
};

/// A figure over rounds; absent why there is none.
struct MemoryMetric {
    std::string name;
    std::string unit;
    Estimate estimate;
    std::uint64_t n = 0;
    std::string absent;
};

/// One owner of memory in one kind of process.
struct OwnerRow {
    std::string place;
    std::string owner;
    Estimate live_bytes;
    Estimate peak_bytes;
    Estimate allocations_per_event;
    Estimate bytes_per_event;
};

struct MemoryAtClients {
    std::uint64_t clients = 0;
    std::uint64_t rounds = 0;
    std::vector<MemoryMetric> metrics;
};

/// A site that is not clean.
struct LeakingSite {
    std::string site;
    std::string verdict;
    std::string reason;
    double bytes_per_event = 0;
};

/// Whether a target leaks.
struct LeakRow {
    std::string verdict;
    std::string reason;
    std::uint64_t iterations = 0;
    std::optional<Estimate> bytes_per_event;
    std::optional<double> smallest_visible;
    std::vector<LeakingSite> sites;   ///< leaks first
    std::string why_not_call_sites;   ///< sites are owners; empty: they are call sites
    double duration = 0;              ///< s, of the load that was judged
    std::optional<double> own_first;  ///< what the watching process held itself
    std::optional<double> own_last;
};

/// Where memory is allocated.
struct AllocationSite {
    std::string owner;
    std::string site;
    double allocations_per_event = 0;
    double bytes_per_event = 0;
    double live_bytes = 0;
};
struct AllocationSites {
    std::uint64_t in_all = 0;
    double mean_bytes = 0;              ///< between samples; 0: every allocation is one
    std::vector<AllocationSite> sites;  ///< those that allocate most, and those that hold most
    std::map<std::string, std::string> files;  ///< beside the result, by what they are
    std::vector<std::string> remarks;
};

/// How long an owner's blocks lived.
struct LifetimeRow {
    std::string owner;
    double blocks = 0;
    std::optional<double> p50;  ///< s
    std::optional<double> p90;
    std::optional<double> p99;
    double short_lived_share = 0;
};

/// What one process used; nothing where it could not be read.
struct ProcessRow {
    std::string role;
    std::string command;
    std::optional<double> cpu;  ///< s a second
    std::optional<double> memory_peak;
    std::optional<double> memory_mean;
    std::optional<double> threads;
    std::optional<double> descriptors;
    std::optional<double> faults_minor;
    std::optional<double> faults_major;
    std::optional<double> switches;
    std::optional<double> run_queue_delay;  ///< s a second
};
struct Resources {
    double wall = 0;  ///< s
    std::vector<ProcessRow> processes;
    double sampler_cpu = 0;  ///< s
    std::uint64_t samples = 0;
};

struct MemoryTarget {
    std::string target;
    std::optional<LeakRow> leak;
    std::vector<MemoryMetric> metrics;
    std::vector<OwnerRow> owners;
    std::vector<MemoryAtClients> by_clients;
    std::vector<MemoryMetric> per_client;  ///< slopes
    std::vector<std::string> missing;
    std::optional<AllocationSites> stacks;
    std::vector<LifetimeRow> lifetimes;  ///< of all owners together first
    std::optional<Resources> resources;
};

/// What one system has allocated, or two.
struct MemoryDocument {
    Header header;
    std::string scenario;
    std::string description;
    Load load;
    std::uint64_t clients = 0;
    std::vector<Check> checks;
    std::vector<MemoryTarget> targets;
    std::vector<ComparedMetric> compared;  ///< empty where there is one target
    std::optional<Method> method;
};

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
    std::string death;  ///< empty: it never died
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

/// Until when one system holds, or two.
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
    std::vector<ComparedPoint> compared;  ///< empty where there is one target
    std::string why_no_curves;            ///< are compared; empty: they are
    /// Of the laws through both curves, candidate over baseline, or minus it where it is a
    /// difference: what one does, contention, coherency, the most there is, and the load it is at.
    std::optional<Estimate> gamma_ratio;
    std::optional<Estimate> alpha_difference;
    std::optional<Estimate> beta_difference;
    std::optional<Estimate> limit_ratio;
    std::optional<Estimate> peak_ratio;
};

using Document = std::variant<ComparisonDocument, ObservationDocument, RunDocument, MemoryDocument,
                              ScalingDocument>;

/// Reads any kind of result. - the errors of report.h.
Result<Document> read_document(const nlohmann::json& result);

}  // namespace crucible::lab::report
