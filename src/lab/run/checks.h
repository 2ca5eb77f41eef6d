#pragma once

#include <string_view>
#include <vector>

#include "crucible/time.h"
#include "lab/run/trial.h"

namespace crucible::lab {

/// An injector later than this at its own fault, in one of a hundred events, has not offered the
/// planned load.
inline constexpr Duration kLatenessMax = std::chrono::milliseconds(5);
/// In a saturated phase, whose latencies are not reported, it may be this share of the whole
/// lateness: it is not what kept the system from taking the load.
inline constexpr double kOwnShareMax = 0.05;
/// Share of the planned events that may stay unsent.
inline constexpr double kUnsentMax = 0.0005;

/// What is checked of every trial, each over all its phases. Those marked * make it invalid when
/// they fail: its figures can't be trusted. The others are results.
/// - "conservation" *: sent = handled + rejected + lost, and nothing was acknowledged that was
///   never sent.
/// - "schedule_kept" *: the injector's own lateness (ClientPhase::own_lateness) p99 is at most
///   kLatenessMax (see kOwnShareMax for the exception). A target whose send() blocks is late by its
///   own fault, and its latencies say so.
/// - "clock_sanity" *: no event ended before it was sent or due.
/// - "offered_as_planned": all planned events were sent, but for kUnsentMax of them.
/// - "no_duplicates": no event was acknowledged twice.
/// - "no_losses": every event ended.
/// - "answers_as_expected": the target has no remarks.
/// - "faults_as_expected": events that are wrong on purpose ended with the outcome they must have.
/// - "littles_law": the time in flight from counts alone (L times the duration) is the sum of the
///   single service times (lambda W times the duration), within 1 %. Where events were lost it
///   can't be computed, and passes.
/// - "not_saturated": no open-loop phase was (see Saturation).
std::vector<Check> trial_checks(const std::vector<PhaseResult>& phases);

/// "clock_steady": the wall clock went with the monotonic one, within kClockStepMax and what
/// adjusting it to a time server may do. Latencies are measured with the monotonic clock; events'
/// times of creation and their deadlines are not.
Check clock_steady(const Surroundings& surroundings);
inline constexpr Duration kClockStepMax = std::chrono::milliseconds(20);

/// Whether a failure of the check called `name` makes a trial invalid.
bool invalidates(std::string_view name) noexcept;

}  // namespace crucible::lab
