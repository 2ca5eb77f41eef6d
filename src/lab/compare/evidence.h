#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lab/stats/interval.h"
#include "lab/stats/verdict.h"

namespace crucible::lab {

/// One metric's differences, one entry per compared round, all three of one size: log ratios, or
/// plain differences where a ratio does not exist.
struct RoundDifferences {
    std::vector<double> candidate_baseline;
    std::vector<double> candidate_control;
    std::vector<double> control_baseline;
};

struct RulingOptions {
    double margin = 0;       ///< in the unit of the differences, > 0
    double alpha = 0.05;     ///< bound on the chance of any false alarm in the family
    std::size_t family = 1;  ///< metrics judged together
    std::uint64_t seed = 1;  ///< of the bootstrap
};

/// What the rounds say about one metric.
struct Ruling {
    stats::Change change = stats::Change::inconclusive;
    stats::LocationEstimate effect;                  ///< candidate against baseline
    std::optional<stats::LocationEstimate> control;  ///< control against baseline
    bool has_interval = false;                       ///< false: `effect` is a point, too few rounds
    std::uint32_t clear_rounds = 0;  ///< beyond the margin on one side of both copies
    std::string reason;              ///< what decided, or which condition was not met
    std::optional<std::uint32_t> rounds_needed;
};

/// The exact p-value of "the candidate lies beyond the margin": in `clear` of `rounds` rounds it
/// was beyond it on the same side of both copies of the baseline. Were it within, it would be the
/// outermost of three exchangeable trials at most every third time, whatever the noise:
/// 2 P(Bin(rounds, 1/3) >= clear), at most 1.
double clear_rounds_p_value(std::uint32_t rounds, std::uint32_t clear);

/// Fewest clear rounds of `rounds` with clear_rounds_p_value() <= level; nullopt when even all of
/// them are not enough.
std::optional<std::uint32_t> clear_rounds_min(std::uint32_t rounds, double level);

/// Fewest rounds that can decide anything at `level`.
std::uint32_t decisive_rounds_min(double level);

/// How many standard errors the effect must lie beyond the margin. Chosen by simulation: with 4,
/// false alarms over 23 metrics stay below 0.1 % a run even where the noise is many times the
/// margin (docs/design/verdict.md).
inline constexpr double kStandardErrors = 4.0;

/// Applies the rules of docs/design/verdict.md.
Ruling rule(const RoundDifferences& differences, const RulingOptions& options);

/// The part of rule() that can say "different": the direction in which the candidate lies beyond
/// `margin` (>= 0), or inconclusive. Cheap where the rounds do not agree.
stats::Change find_difference(const RoundDifferences& differences, const RulingOptions& options,
                              double margin);

}  // namespace crucible::lab
