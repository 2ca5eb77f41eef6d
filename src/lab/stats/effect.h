#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {

inline constexpr std::uint32_t kBootstrapReplicates = 2000;

/// The effect of a paired experiment on the log scale: differences are d_r = ln(candidate_r /
/// baseline_r), one per round; exp() of everything gives ratios.
///
/// The estimate is Hodges-Lehmann's. The interval is the hull of the exact signed-rank interval and
/// of the BCa bootstrap over rounds: the first keeps its guarantee for any number of rounds, the
/// second adds what asymmetric differences ask for, and a hull covers whatever either covers
/// (docs/design/statistics.md). nullopt where the exact interval does not exist: below 6 rounds at
/// 95 %, below 5 at 90 %.
std::optional<LocationEstimate> paired_effect(std::span<const double> differences, double level,
                                              std::uint64_t seed);

}  // namespace crucible::lab::stats
