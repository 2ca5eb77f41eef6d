#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "lab/aggregate/metric.h"
#include "lab/experiment/experiment.h"

namespace crucible::lab {

enum class MetricVerdict : std::uint8_t {
    better,
    worse,
    equivalent,
    changed_within_margin,
    inconclusive
};
enum class OverallVerdict : std::uint8_t { adopt, keep, no_difference, not_proven };
std::string_view to_string(MetricVerdict verdict) noexcept;
std::string_view to_string(OverallVerdict verdict) noexcept;

/// A value over rounds with its 95 % interval; the ends are NaN where too few rounds give none
/// (below 6).
struct Estimate {
    double value = 0;
    double ci_low = 0;
    double ci_high = 0;
};

/// One metric of one scenario, candidate against baseline.
struct MetricComparison {
    const MetricInfo* info = nullptr;
    std::optional<Estimate> baseline;  ///< over rounds
    std::optional<Estimate> candidate;
    std::optional<Estimate> ratio;    ///< candidate / baseline, paired by round
    std::optional<Estimate> control;  ///< control / baseline: the machine's own noise
    /// candidate - baseline, for metrics that can be zero and are judged by it (error_rate, lost,
    /// duplicated, reordered, and any other with a zero in it). Then there is no ratio.
    std::optional<Estimate> difference;
    std::string phase;         ///< where the values come from; empty: all phases
    std::uint32_t rounds = 0;  ///< pairs behind the ratio or the difference
    MetricVerdict verdict = MetricVerdict::inconclusive;
    std::optional<std::uint32_t> rounds_needed;  ///< where inconclusive and computable
    std::string reason;  ///< one line: what decided it, or why it could not be decided
};

struct ScenarioComparison {
    std::string name;
    std::uint32_t rounds = 0;          ///< compared
    std::uint32_t rounds_invalid = 0;  ///< run, shown, and kept out of the comparison
    std::vector<MetricComparison> metrics;
    std::vector<Check> checks;  ///< over all trials of the scenario
};

struct Comparison {
    std::vector<ScenarioComparison> scenarios;
    OverallVerdict verdict = OverallVerdict::not_proven;
    std::vector<std::string> reasons;
};

struct CompareOptions {
    double margin = 0.05;      ///< differences within ±margin do not matter
    double confidence = 0.95;  ///< of intervals; 1 - confidence bounds false alarms of a scenario
    std::uint64_t seed = 1;    ///< of the bootstrap
};

/// Judges every metric of every scenario and then the whole, by the rules of
/// docs/design/verdict.md. Deterministic: the same experiment and options give the same comparison.
Comparison compare(const Experiment& experiment, const CompareOptions& options);

/// Facts of a run that are no measurement: who ran what, where, when.
struct RunFacts {
    std::string version;
    std::string commit;
    std::vector<std::string> command;
    std::string started;  ///< ISO 8601, UTC
    double duration_seconds = 0;
    std::uint64_t seed = 1;
};

/// `crucible.comparison/1` (docs/formats/comparison.schema.json).
nlohmann::json comparison_json(const RunFacts& facts, const ExperimentOptions& options,
                               const CompareOptions& compare_options, const Experiment& experiment,
                               const Comparison& comparison);

/// `crucible.run/1` (docs/formats/run.schema.json) of repeated trials of one target. `harness[i]`
/// belongs to `trials[i]`.
nlohmann::json run_json(const RunFacts& facts, const TargetUrl& target, const Scenario& scenario,
                        const std::vector<TrialResult>& trials,
                        const std::vector<TrialResult>& harness);

}  // namespace crucible::lab
