#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "lab/compare/comparison.h"
#include "lab/compare/stored.h"

namespace crucible::lab {

// Two stored results against each other. Nobody ran them in turn, so that a machine that was slower
// on one of the two days looks like a slower system: what is said here is what they *look* like,
// and never decides anything.

/// One metric of one scenario, candidate against baseline, values not paired.
struct ObservedMetric {
    std::string name;
    std::string unit;
    Better better = Better::lower;
    bool gated = false;
    std::string phase;
    std::vector<double> baseline_values;  ///< one for each repetition; all that there are
    std::vector<double> candidate_values;
    std::optional<Estimate> baseline;  ///< over its repetitions
    std::optional<Estimate> candidate;
    std::optional<Estimate> ratio;  ///< candidate / baseline; none where some value is not above 0
    std::optional<Estimate> difference;    ///< candidate - baseline, in the metric's unit
    std::optional<Estimate> cliffs_delta;  ///< P(candidate > baseline) - P(candidate < baseline)
    std::optional<double> p_rank_sum;      ///< of "no difference", for this metric alone
    std::optional<double> p_welch;         ///< the same by means
    /// Of the rank-sum test, corrected for the family: of "within the margin" and of "the same".
    double p_outside = 1;
    double p_different = 1;
    bool different = false;
    MetricVerdict verdict = MetricVerdict::inconclusive;  ///< what it looks like
    /// Of each side, where there are too few for an interval, or for any difference to be seen
    /// among the metrics judged together.
    std::optional<std::uint32_t> repetitions_needed;
    std::string reason;
};

struct ObservedScenario {
    std::string name;
    std::string description;
    std::string load;  ///< JSON as our own runs have it; empty: of another program
    std::uint32_t baseline_repetitions = 0;
    std::uint32_t candidate_repetitions = 0;
    std::optional<Delivery> baseline_delivery;
    std::optional<Delivery> candidate_delivery;
    std::vector<ObservedMetric> metrics;
};

struct Observation {
    /// "same_machine", "same_scenario", "same_version" and "inputs_whole"; of Google Benchmark also
    /// "same_context".
    std::vector<Check> checks;
    /// Why nothing is said of any metric; empty: something is.
    std::string withheld;
    std::vector<ObservedScenario> scenarios;
    std::vector<std::string> reasons;  ///< the first says that it is an observation
};

/// Compares by docs/guides/stored-results.md. The same results give the same observation.
/// - Errc::invalid_argument: they are of different kinds, or were measured under different loads;
///   one line names the first difference.
Result<Observation> observe(const StoredResult& baseline, const StoredResult& candidate,
                            const CompareOptions& options);

/// `crucible.comparison/1` with "observational": true (docs/formats/comparison.schema.json).
nlohmann::json observation_json(const RunFacts& facts, const CompareOptions& options,
                                const StoredResult& baseline, const StoredResult& candidate,
                                const Observation& observation);

}  // namespace crucible::lab
