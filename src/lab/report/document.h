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
#include "lab/report/document_common.h"
#include "lab/report/document_scaling.h"

namespace crucible::lab::report {

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

/// One owner of memory in one kind of process; or a stage, or a category, in all of them.
struct OwnerRow {
    std::string place;  ///< empty: all
    std::string owner;
    Estimate live_bytes;
    Estimate peak_bytes;
    Estimate allocations_per_event;
    Estimate bytes_per_event;
    Estimate peak_per_event;  ///< for each further event in flight
};

/// Blocks by what they can hold.
struct SizeRow {
    std::optional<double> usable_to;  ///< none: any size
    Estimate allocations_per_event;
    Estimate usable_per_event;  ///< at least
    Estimate live_blocks;
};

/// Threads of one name in one kind of process.
struct ThreadRow {
    std::string place;
    std::string thread;
    Estimate threads;
    Estimate allocations_per_event;
    Estimate bytes_per_event;
    Estimate freed_per_event;
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
    Estimate bytes_per_event;
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
    std::optional<double> workers_first;  ///< and what the measurement held in client processes
    std::optional<double> workers_last;
};

/// Where memory is allocated.
struct AllocationSite {
    std::string owner;
    std::string site;
    std::uint64_t samples = 0;           ///< of what was allocated
    std::uint64_t live_samples = 0;      ///< of what is live
    std::vector<std::string> ranked_by;  ///< the figures of which enough is known
    double allocations_per_event = 0;
    Estimate bytes_per_event;
    Estimate live_bytes;
};
/// Places that have too few samples to be ranked, together.
struct FewSamples {
    std::uint64_t sites = 0;
    std::uint64_t samples = 0;
    std::uint64_t live_samples = 0;
    double allocations_per_event = 0;
    double bytes_per_event = 0;
    double live_bytes = 0;
};
struct AllocationSites {
    std::uint64_t in_all = 0;
    double mean_bytes = 0;              ///< between samples; 0: every allocation is one
    bool exact = false;                 ///< of every allocation of all processes
    std::uint64_t ranked_from = 0;      ///< samples that rank a place
    std::vector<AllocationSite> sites;  ///< those that allocate most, and those that hold most
    std::optional<FewSamples> few;
    std::map<std::string, std::string> files;  ///< beside the result, by what they are
    std::vector<std::string> remarks;

    bool sampled() const noexcept { return mean_bytes > 0; }
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
    Delivery delivery;  ///< while allocations were counted
    std::vector<MemoryMetric> metrics;
    std::vector<OwnerRow> owners;
    std::vector<OwnerRow> stages;
    std::vector<SizeRow> sizes;  ///< ascending
    std::vector<ThreadRow> threads;
    std::vector<OwnerRow> categories;  ///< of events of one each
    std::vector<MemoryAtClients> by_clients;
    std::vector<MemoryMetric> per_client;  ///< slopes
    std::vector<std::string> missing;
    std::vector<std::string> failures;  ///< its own, and those of single trials
    std::optional<AllocationSites> stacks;
    std::vector<LifetimeRow> lifetimes;  ///< of all owners together first
    std::optional<Resources> resources;
};

/// How a stage, an owner or a category compares.
struct ComparedPart {
    std::string division;
    std::string part;
    std::vector<ComparedMetric> metrics;
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
    std::vector<ComparedPart> parts;
    std::optional<Method> method;
};

using Document = std::variant<ComparisonDocument, ObservationDocument, RunDocument, MemoryDocument,
                              ScalingDocument>;

/// Reads any kind of result. - the errors of report.h.
Result<Document> read_document(const nlohmann::json& result);

}  // namespace crucible::lab::report
