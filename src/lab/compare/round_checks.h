#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lab/aggregate/metric.h"
#include "lab/experiment/experiment.h"

namespace crucible::lab {

/// What a failed check does to what a comparison says.
enum class Consequence : std::uint8_t {
    caution,    ///< the verdict stands, with this beside it
    withholds,  ///< nothing is said of the metrics that the check names
    voids,      ///< the comparison is worth nothing
};

/// A check over all rounds of a scenario.
struct RoundCheck {
    Check check;
    Consequence consequence = Consequence::caution;
    std::vector<const MetricInfo*> withheld;     ///< where it failed and withholds
    std::optional<std::uint32_t> rounds_needed;  ///< in all, where more of them would help
};

/// Whether the rounds are the experiment that the statistics suppose. All void it.
/// - "orders_balanced": in every round each arm once, and over each block of four rounds once in
///   every place.
/// - "rounds_distinct": rounds from the first on, none left out or counted twice, and no trial's
///   figures those of another.
/// - "same_targets": each arm the same system in every round, the control the baseline's.
/// - "same_work": all arms of all rounds with the same phases and clients, and of those where
///   everything was sent the same events and payloads.
/// - "one_machine": all rounds of one processor, memory and kernel.
std::vector<RoundCheck> check_design(const ScenarioRounds& scenario);

/// Whether what else the machine did may explain the difference.
/// - "neighbours_alike": other programs took as much beside the candidate as beside the baseline,
///   within kNeighbourCores, from 6 rounds. Voids.
/// - "neighbours_quiet": they took more than kBusyCores, or the hypervisor more than kStolenCores,
/// in
///   at most a tenth of the trials. Caution.
std::vector<RoundCheck> check_neighbours(const ScenarioRounds& scenario);
inline constexpr double kNeighbourCores = 0.1;
inline constexpr double kBusyCores = 0.5;
inline constexpr double kStolenCores = 0.2;

/// Whether the figures hold still: over the rounds, and in the course of a trial. Each is failed
/// only by a change that is shown and that is larger than `margin` (a log ratio).
/// - "no_drift": no gated metric of the baseline rises or falls from round to round (Mann-Kendall,
///   corrected for how much one round says of the next), nor steps from one level to another.
///   Caution: the comparison within rounds allows for it.
/// - "same_effect": nor does any gated difference. Withholds the metric: one figure is not it.
/// - "warmup_over": in the first quarter of the measured time throughput and latency are those of
///   the rest; from 10 rounds. Caution.
/// - "steady": in the last quarter they are those of the second; from 10 rounds. Caution.
std::vector<RoundCheck> check_course(const ScenarioRounds& scenario, double margin);
/// Fewer rounds have no trend that a test could see.
inline constexpr std::size_t kTrendRoundsMin = 10;

/// Gated metrics of the baseline that rise or fall from round to round, and how many were long
/// enough to tell.
struct Trends {
    std::vector<const MetricInfo*> found;
    std::size_t tested = 0;
};
Trends baseline_trends(const ScenarioRounds& scenario, double margin);

}  // namespace crucible::lab
