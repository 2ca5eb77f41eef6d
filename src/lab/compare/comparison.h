#pragma once

#include <limits>
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

/// An end of an interval that does not exist.
inline constexpr double kNoEnd = std::numeric_limits<double>::quiet_NaN();

/// A value over rounds with its 95 % interval; the ends are kNoEnd where too few rounds give none
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
    /// duplicated, reordered, and any other with a zero in it). Then there is no ratio. Of parts
    /// it is told beside the ratio.
    std::optional<Estimate> difference;
    /// Ratio or difference at 1 - alpha at any number of rounds; the ends are infinite where too
    /// few say anything. Wider than the interval above, which is that of a number fixed beforehand.
    std::optional<Estimate> anytime;
    std::string phase;         ///< where the values come from; empty: all phases
    std::uint32_t rounds = 0;  ///< behind the ratio or the difference
    MetricVerdict verdict = MetricVerdict::inconclusive;
    /// Corrected for the family, valid at any number of rounds: of "within the margin", and of "the
    /// same as the baseline". 1 where nothing speaks against it.
    double p_outside = 1;
    double p_different = 1;
    bool different = false;  ///< the second is refused: there is a difference, large or small
    std::optional<std::uint32_t> rounds_needed;  ///< where inconclusive and more rounds can decide
    std::string reason;     ///< one line: what decided it, or why it could not be decided
    bool withheld = false;  ///< by a failed check, whatever it would have been
};

enum class ExpectationOutcome : std::uint8_t { met, exceeded, missed, not_proven };
std::string_view to_string(ExpectationOutcome outcome) noexcept;

struct ExpectationResult {
    Expectation expectation;
    ExpectationOutcome outcome = ExpectationOutcome::not_proven;
    std::string evidence;  ///< the change found with its interval, or why there is none
};

struct ScenarioComparison {
    std::string name;
    std::uint32_t rounds = 0;          ///< compared
    std::uint32_t rounds_invalid = 0;  ///< run, shown, and kept out of the comparison
    std::vector<MetricComparison> metrics;
    std::vector<ExpectationResult> expectations;
    std::vector<Check> checks;  ///< of its trials, and over its rounds
};

/// From good to bad, so that of several that must all hold the worst counts.
enum class CriterionOutcome : std::uint8_t { met, not_measured, not_proven, not_met };
std::string_view to_string(CriterionOutcome outcome) noexcept;

/// A question that a migration should have answered.
struct Criterion {
    std::string name;  ///< "baseline_handles_load"
    CriterionOutcome outcome = CriterionOutcome::not_measured;
    std::string evidence;
};

/// Something to do, and the metric it follows from.
struct Recommendation {
    std::string text;
    std::string scenario;
    const MetricInfo* metric = nullptr;
};

enum class RiskLevel : std::uint8_t { low = 1, medium = 2, high = 3 };
std::string_view to_string(RiskLevel level) noexcept;

/// What moving to the candidate may cost.
struct Risk {
    std::string scenario;
    const MetricInfo* metric = nullptr;
    /// high: shown to be worse; medium: worse in direction, open in size; low: may be worse.
    RiskLevel likelihood{};
    RiskLevel impact{};  ///< of the change measured: from half as much again, from a fifth, below
    std::string evidence;
    std::string mitigation;
    std::string rollback;  ///< what in production says that it has come true
};

struct Assessment {
    std::vector<Criterion> criteria;
    std::vector<Recommendation> recommendations;
    std::vector<Risk> risks;  ///< the gravest first
};

struct Comparison {
    std::vector<ScenarioComparison> scenarios;
    /// Set when a check failed that the whole comparison rests on, that the two copies of the
    /// baseline are alike for instance: what it says of the candidate is then worth nothing.
    bool voided = false;
    OverallVerdict verdict = OverallVerdict::not_proven;
    std::vector<std::string> reasons;
    /// What the verdict is to be taken with: the failed checks, each "scenario: check: detail".
    std::vector<std::string> cautions;
    Assessment assessment;
};

/// Below it a difference is taken for none that matters, unless the user says otherwise.
inline constexpr double kDefaultMargin = 0.03;

struct CompareOptions {
    double margin = kDefaultMargin;  ///< differences within ±margin do not matter
    /// Of intervals; 1 - confidence bounds the chance of any false better or worse among the gated
    /// metrics of all scenarios, and the share of false ones among the others.
    double confidence = 0.95;
    std::uint64_t seed = 1;  ///< of the bootstrap
};

/// Judges every metric of every scenario and then the whole, by the rules of
/// docs/design/verdict.md. Deterministic: the same experiment and options give the same comparison.
Comparison compare(const Experiment& experiment, const CompareOptions& options);

/// What a look after a round says of a metric, without the intervals of compare(): a thousand times
/// cheaper.
struct MetricLook {
    const MetricInfo* info = nullptr;
    double p_outside = 1;  ///< as in MetricComparison
    double p_different = 1;
    bool undecided = false;  ///< the evidence decides nothing yet, and more rounds can
};
/// For each scenario each metric. May be asked after every round: the evidence holds at any number
/// of them.
std::vector<std::vector<MetricLook>> look(const Experiment& experiment,
                                          const CompareOptions& options);

/// For each scenario, whether more rounds can decide a gated metric that is still open.
std::vector<bool> needs_more_rounds(const Experiment& experiment, const CompareOptions& options);

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

/// What a scenario offers, as both kinds of result hold it.
nlohmann::json load_json(const Scenario& scenario);

/// `crucible.run/1` (docs/formats/run.schema.json) of repeated trials of one target. `harness[i]`
/// belongs to `trials[i]`.
nlohmann::json run_json(const RunFacts& facts, const TargetUrl& target, const Scenario& scenario,
                        const std::vector<TrialResult>& trials,
                        const std::vector<TrialResult>& harness);

}  // namespace crucible::lab
