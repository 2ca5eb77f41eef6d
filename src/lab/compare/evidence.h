#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lab/stats/interval.h"
#include "lab/stats/triplet_evidence.h"
#include "lab/stats/verdict.h"

namespace crucible::lab {

/// One metric's differences, one entry per compared round, both of one size: log ratios, or plain
/// differences where a ratio does not exist. Infinite where one side is (a latency under
/// saturation).
struct RoundDifferences {
    std::vector<stats::TripletRound> candidate;  ///< against both copies of the baseline
    std::vector<double> control;                 ///< the second copy against the first
};

struct EvidenceOptions {
    double confidence = 0.95;
    std::uint64_t seed = 1;  ///< of the bootstrap
};

/// What the rounds say about one metric, before it is decided how much is enough. Evidence is the
/// natural logarithm of an e-value, the largest after any round so far: exp(-evidence) is a p-value
/// that holds however often one looks (stats/triplet_evidence.h).
struct Evidence {
    std::uint32_t rounds = 0;
    std::uint32_t clear_rounds = 0;  ///< beyond the margin, on one side, of both copies
    double margin = 0;               ///< in the unit of the differences
    double outside = 0;              ///< that the candidate lies outside the margin
    double different = 0;            ///< that it is not the same as the baseline
    double within = 0;               ///< that it lies within the margin: the weaker of both sides
    double copies_differ = 0;        ///< that the two copies of the baseline are not the same
    stats::Change side = stats::Change::increased;  ///< where `outside` and `different` point to
    /// Candidate against baseline (Hodges-Lehmann); none where some difference is infinite.
    std::optional<double> estimate;
    double trial_noise = 0;  ///< standard deviation of one trial, robust; of what is finite
};

/// Of the estimate; none below kRoundsMin rounds, or where it has none. They cost a hundred times
/// the evidence, so that a look after a round makes only those it needs.
struct EffectIntervals {
    std::optional<stats::Interval> effect;  ///< at the confidence asked
    std::optional<stats::Interval> narrow;  ///< at 1 - 2 alpha
};

/// Fewest rounds that have a 95 % interval: nothing is decided from less.
inline constexpr std::uint32_t kRoundsMin = 6;

/// At least one round.
Evidence weigh(const RoundDifferences& differences, double margin);
EffectIntervals effect_intervals(const RoundDifferences& differences,
                                 const EvidenceOptions& options);
/// The second copy of the baseline against the first. None below kRoundsMin rounds.
std::optional<stats::LocationEstimate> control_effect(const RoundDifferences& differences,
                                                      const EvidenceOptions& options);

/// p-values of one metric, corrected for the other metrics of its family.
struct AdjustedPValues {
    double outside = 1;
    double different = 1;
};

struct RulingOptions {
    double alpha = 0.05;
    std::size_t family = 1;  ///< metrics judged together
};

struct Ruling {
    stats::Change change = stats::Change::inconclusive;
    bool different = false;  ///< that there is a difference is shown, whether it matters or not
    std::string reason;      ///< what decided, or what is missing
    std::optional<std::uint32_t> rounds_needed;  ///< where more rounds can decide
};

/// Applies the rules of docs/design/verdict.md. `make_intervals` is called when the evidence alone
/// would decide.
Ruling rule(const Evidence& evidence, const std::function<EffectIntervals()>& make_intervals,
            const AdjustedPValues& p_values, const RulingOptions& options);

/// Whether more rounds are needed before rule() can decide anything: what the evidence says without
/// the intervals.
bool undecided(const Evidence& evidence, const AdjustedPValues& p_values,
               const RulingOptions& options);

/// Whether the copies of the baseline differ more than chance explains, at a tenth of alpha shared
/// by the family: then the order of the trials was not random, or they influenced each other.
bool copies_differ(const Evidence& evidence, const RulingOptions& options);

}  // namespace crucible::lab
