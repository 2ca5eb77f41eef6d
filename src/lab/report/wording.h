#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lab/report/document.h"

namespace crucible::lab::report {

// How the figures and verdicts of a result read in every report: units for people, percent changes,
// sentences. ASCII but for "±" and "—".

inline constexpr std::string_view kNoValue = "—";

/// "latency_p99" -> "Latency p99", at most 16 columns; an unknown name with blanks for underscores.
std::string metric_label(std::string_view name);
/// What the metric is, in one sentence; empty for an unknown name.
std::string_view metric_meaning(std::string_view name) noexcept;

/// "1.53 ms", "6,916/s", "4.20 MiB", "0.1 %" for a rate of errors.
std::string format_value(std::string_view metric, std::string_view unit, double value);
/// The same, or kNoValue.
std::string format_value(std::string_view metric, std::string_view unit,
                         const std::optional<Estimate>& estimate);

/// A ratio as a change in percent: 1.365 -> "+36.5".
std::string format_percent_change(double ratio);
/// "+30.4, +44.9"; empty without an interval.
std::string format_ratio_interval(const Estimate& ratio);
/// A difference in the metric's own unit: "+12 events", "+0.01 points" of a rate of errors.
std::string format_difference(const ComparedMetric& metric, double difference);
/// True when the difference and both ends of its interval are zero: nothing happened on either
/// side.
bool is_nothing(const Estimate& difference) noexcept;
/// Ends of a difference's interval; empty without one.
std::string format_difference_interval(const ComparedMetric& metric, const Estimate& difference);
/// "2.00 s" -> "2 s", "1.50 KiB" -> "1.5 KiB": for figures that were asked for, not measured.
std::string exact(std::string figure);
/// "12,345".
std::string format_integer(std::uint64_t count);

/// "changed_within_margin" -> "within margin"; else the verdict itself.
std::string verdict_word(std::string_view verdict);

/// The whole result in one plain sentence.
std::string headline(const ComparisonDocument& document);
std::string headline(const RunDocument& document);
std::string headline(const MemoryDocument& document);
/// "ADOPT", "KEEP", "NO DIFFERENCE", "NOT PROVEN".
std::string verdict_badge(const ComparisonDocument& document);

/// Of an observation, which never decides: "looks better", "looks within margin", "open".
std::string looks_word(std::string_view verdict);
/// "better", "open": the same under a heading that says "looks".
std::string looks_cell(std::string_view verdict);
std::string headline(const ObservationDocument& document);
/// "10 and 10 repetitions, not measured in turn".
std::string repetitions_sentence(const ObservedScenario& scenario);
/// A p-value: "0.012", "< 0.0001", or kNoValue.
std::string format_p_value(const std::optional<double>& p_value);
/// "+0.92 [+0.60, +0.99]", or kNoValue.
std::string format_delta(const std::optional<Estimate>& delta);
/// The difference in units with its interval, or kNoValue.
std::string format_whole_difference(const ComparedMetric& metric);
/// What is known beyond the ratio, in one line; empty where nothing was compared.
std::string evidence_sentence(const ObservedMetric& metric);
/// Kind, files, target, time and machine of a side, the parts that a reader must know, one a line.
std::vector<std::pair<std::string, std::string>> input_lines(const Input& input);

/// "baseline handles the load", "not met".
std::string criterion_label(std::string_view name);
std::string outcome_word(std::string_view outcome);

/// Columns and cells of the table of risks.
inline constexpr std::array<std::string_view, 6> kRiskColumns{
    "risk", "likelihood", "impact", "evidence", "mitigation", "roll back when"};
std::array<std::string, 6> risk_cells(const RiskRow& row);

/// Columns and cells of the table of predictions.
inline constexpr std::array<std::string_view, 4> kExpectationColumns{"predicted", "change",
                                                                     "outcome", "found"};
std::array<std::string, 4> expectation_cells(const ExpectationRow& row);

/// "open loop, 1,000/s constant, 2,000 events in 2.00 s after a warm-up of 500 ms".
std::string phase_sentence(const Phase& phase);
/// "4 clients, 10 services, 1.00 KiB payloads, precise pacing".
std::string load_sentence(const Load& load);
/// The stretches of a pattern as a table: the titles of its columns (the first is the name's), and
/// a row of cells for each.
inline constexpr std::array<std::string_view, 8> kSegmentColumns{"stretch", "from", "rate", "sent",
                                                                 "handled", "p50",  "p99",  "max"};
std::array<std::string, 8> segment_cells(const SegmentRow& segment);
/// Of each stretch the baseline's row, then the candidate's under that name.
std::vector<SegmentRow> compared_segments(const ComparedScenario& scenario);
inline constexpr std::string_view kComparedSegments =
    "Stretches of the pattern, by when events were due: the baseline, and below it the candidate";
/// "10 rounds compared, 1 invalid".
std::string rounds_sentence(const ComparedScenario& scenario);
/// "2 cores of AMD EPYC 7B13, 15.6 GiB, Linux …", the parts that a reader must know, one a line.
std::vector<std::pair<std::string, std::string>> environment_lines(const Environment& environment);

/// The command as it can be typed into a shell.
std::string shell_command(const std::vector<std::string>& command);

/// A failed check and where it failed.
struct FailedCheck {
    std::string scenario;  ///< empty: in the comparison as a whole
    Check check;
};
/// "medium: schedule kept".
std::string failed_label(const FailedCheck& failed);
std::vector<FailedCheck> failed_checks(const ComparisonDocument& document);
std::vector<FailedCheck> failed_checks(const RunDocument& document);
std::vector<FailedCheck> failed_checks(const ObservationDocument& document);
std::vector<FailedCheck> failed_checks(const MemoryDocument& document);

std::string headline(const ScalingDocument& document);
/// "5,000/s", "16 clients", "4 KiB": a load on the document's axis.
std::string format_axis_load(const ScalingDocument& document, double load);
/// What is said of a target in sentences, each one line: its breaking point, the law of
/// scalability, how it degrades, what carries a demand. Empty where nothing is known of it.
std::vector<std::string> breaking_point_sentences(const ScalingDocument& document,
                                                  const ScalingTarget& target);
std::vector<std::string> law_sentences(const ScalingDocument& document,
                                       const ScalingTarget& target);
std::vector<std::string> degradation_sentences(const ScalingDocument& document,
                                               const ScalingTarget& target);
std::vector<std::string> forecast_sentences(const ScalingDocument& document,
                                            const ScalingTarget& target);
/// What binds, its evidence, what a change gained, and the nearest limits of the machine.
std::vector<std::string> bottleneck_sentences(const ScalingDocument& document,
                                              const ScalingTarget& target);
std::vector<std::string> limit_sentences(const ScalingDocument& document,
                                         const ScalingTarget& target);
/// Columns and cells of a target's points.
inline constexpr std::array<std::string_view, 8> kScalingColumns{
    "load", "done", "[95 %]", "p50", "p99", "CPU/event", "memory", "held"};
std::array<std::string, 8> scaling_cells(const ScalingDocument& document,
                                         const ScalingPoint& point);
/// What a point's trials were broken by, or why they were invalid, one line each.
std::vector<std::string> point_remarks(const ScalingDocument& document, const ScalingPoint& point);
/// Those slopes that were measured: "memory peak +12.1 KiB [11.8, 12.4]".
std::vector<std::string> slope_sentences(const ScalingDocument& document,
                                         const ScalingTarget& target);
/// "one client +12.0 % [+8.1, +15.9], the most there is …": the curves against each other.
std::vector<std::string> curve_comparison_sentences(const ScalingDocument& document,
                                                    const ScalingComparison& comparison);
/// Columns and cells of the candidate over the baseline, in percent.
inline constexpr std::array<std::string_view, 5> kScalingRatioColumns{
    "load", "throughput", "latency p50", "latency p99", "memory peak"};
std::array<std::string, 5> scaling_ratio_cells(const ScalingDocument& document,
                                               const ComparedPoint& point);

/// "4.2 KiB [4.1, 4.4]", or kNoValue; the interval in the value's unit.
std::string format_with_interval(const MemoryMetric& metric);
/// "leaks: clean over 24 iterations; 0.012 bytes an event sent and more would have shown".
std::string leak_sentence(const LeakRow& leak);
/// A line for each site that leaks, and for some that rise.
std::vector<std::string> telling_leaks(const LeakRow& leak);
/// Those owners that hold most, the others as one row; by live bytes and then by what they
/// allocate.
std::vector<OwnerRow> telling_owners(const MemoryTarget& target);
/// The places that allocate most, then of the others those that hold most.
std::vector<AllocationSite> telling_sites(const AllocationSites& stacks);
/// Columns and cells of the figures of places; of samples with their number and, of bytes, with
/// intervals.
std::vector<std::string> site_columns(const AllocationSites& stacks);
std::vector<std::string> site_cells(const AllocationSites& stacks, const AllocationSite& site);
/// "37 sites with fewer than 5 samples", and the cells of their sums; where there are some.
std::string few_label(const AllocationSites& stacks);
std::vector<std::string> few_cells(const AllocationSites& stacks);
/// "1.23 [1.10, 1.40] KiB": a figure and its interval, with the unit of all three once.
std::string short_estimate(std::string_view unit, const Estimate& estimate);
/// "exact: every allocation in one trial's events, at 120 places".
std::string sampling_sentence(const AllocationSites& stacks);
/// What must be known of the peaks in a report.
inline constexpr std::string_view kPeaksSentence =
    "The live peak is each process's own, summed over processes: of several it is an upper bound "
    "of what they held at once. The peaks of owners and stages need not have been at once either: "
    "neither they nor their peak/event add up to those of the whole.";
/// The names of the files with all stacks.
std::string files_sentence(const AllocationSites& stacks);
inline constexpr std::array<std::string_view, 6> kLifetimeColumns{
    "owner", "blocks freed", "lived p50", "p90", "p99", "below 1 ms"};
std::array<std::string, 6> lifetime_cells(const LifetimeRow& row);
inline constexpr std::array<std::string_view, 10> kProcessColumns{
    "process",     "CPU",          "PSS mean",     "PSS peak", "threads",
    "descriptors", "minor faults", "major faults", "switches", "ready, no core"};
std::array<std::string, 10> process_cells(const ProcessRow& row);
/// What reading it all cost.
std::string sampler_sentence(const Resources& resources);
inline constexpr std::array<std::string_view, 6> kOwnerColumns{
    "owner", "live", "peak", "allocs/event", "bytes/event", "peak/event"};
std::array<std::string, 6> owner_cells(const OwnerRow& owner);
/// kOwnerColumns of what is divided by "stage" or "category".
std::array<std::string_view, 6> part_columns(std::string_view division);
/// Columns and cells of size classes, those of each doubling of what blocks can hold as one row,
/// and of threads, those that allocate most first and the others as one row.
inline constexpr std::array<std::string_view, 4> kSizeColumns{
    "blocks of up to", "allocs/event", "bytes/event, at least", "live blocks"};
std::vector<SizeRow> telling_sizes(const MemoryTarget& target);
std::array<std::string, 4> size_cells(const SizeRow& size);
inline constexpr std::array<std::string_view, 5> kThreadColumns{"thread", "threads", "allocs/event",
                                                                "bytes/event", "freed/event"};
std::vector<ThreadRow> telling_threads(const MemoryTarget& target);
std::array<std::string, 5> thread_cells(const ThreadRow& thread);

/// One metric of the parts of a division, those that allocate most first; without those that have
/// nothing on either side.
struct PartTable {
    std::string title;                                         ///< "Allocated/event by stage"
    std::vector<std::pair<std::string, ComparedMetric>> rows;  ///< the part, and how it compares
};
/// Those that a report shows: the file has all. Without those in which nothing was compared.
std::vector<PartTable> part_tables(const MemoryDocument& document);
/// "+1.20 [+1.18, +1.31] KiB": as format_difference() and its interval, with the unit once.
std::string short_difference(const ComparedMetric& metric);

/// "not_saturated" -> "not saturated".
std::string check_label(std::string_view name);

/// Labels and counts of a ledger, in the order in which they are shown.
std::vector<std::pair<std::string_view, std::uint64_t>> delivery_columns(const Delivery& delivery);

/// What the harness alone took and could do, in the figures that bear on trusting the target's; the
/// file has all.
std::vector<HarnessCost> telling_costs(const std::vector<HarnessCost>& harness);

/// Reasons for missing values, each with all the metrics it holds for: "Latency p99, Latency
/// p99.9".
class AbsentValues {
public:
    void add(std::string_view metric, std::string_view reason);
    /// {metrics, reason}, in the order in which they came.
    const std::vector<std::pair<std::string, std::string>>& notes() const noexcept {
        return notes_;
    }

private:
    std::vector<std::pair<std::string, std::string>> notes_;
};

/// True when the latencies of the scenario mean nothing because its backlog grew.
bool is_saturated(const RunScenario& scenario);

}  // namespace crucible::lab::report
