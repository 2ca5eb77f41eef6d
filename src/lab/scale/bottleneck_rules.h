#pragma once

#include <vector>

#include "lab/scale/bottleneck.h"

namespace crucible::lab::scale {

/// Thresholds of the rules. Their reasons are in docs/design/bottlenecks.md.
namespace threshold {
inline constexpr double kLateness = 0.005;      ///< s; as of the check "schedule_kept"
inline constexpr double kLatenessShare = 0.05;  ///< of the whole lateness; likewise
inline constexpr double kStarved = 0.2;         ///< of ready time spent without a core
inline constexpr double kSenderBusy = 0.9;      ///< of a thread's time
inline constexpr double kThrottled = 0.1;       ///< cores' worth of stopped time
inline constexpr double kProcessors = 0.85;     ///< of the processors there are for it
inline constexpr double kFaultTime = 0.2;       ///< of the system's processor time
inline constexpr double kKernelShare = 0.5;     ///< of the system's processor time
inline constexpr double kFaultRate = 100'000;   ///< faults in a second of its processor time
inline constexpr double kFaultBlocked = 0.3;    ///< of the samples
inline constexpr double kReadBack = 0.5;        ///< pages for each event
inline constexpr double kPressure = 0.2;        ///< of the time
inline constexpr double kStorage = 0.6;         ///< of the samples
inline constexpr double kLock = 0.5;            ///< of the samples
inline constexpr double kPeer = 0.6;            ///< of the samples
inline constexpr double kAtWork = 0.25;         ///< of the threads that have work
inline constexpr double kMostAtWork = 0.5;      ///< of the threads that have work
inline constexpr double kRefused = 0.01;        ///< of the events sent
inline constexpr double kNeighbours = 0.2;      ///< of the machine's cores
inline constexpr double kThreadBusy = 0.85;     ///< of a thread's time
inline constexpr double kNear = 0.6;            ///< of a threshold: part of a mixture
}  // namespace threshold

/// All that must be met for a rule to hold in one of its ways.
using Conditions = std::vector<BottleneckFigure>;

/// The ways in which each verdict may hold, in the order in which they are asked. `mixed` and
/// `unknown` are what is left, and not among them.
struct RuleWays {
    Bottleneck verdict{};
    std::vector<Conditions> ways;
};
std::vector<RuleWays> rule_ways(const BottleneckEvidence& evidence);

/// How near it came: least over its conditions of observed / threshold (of an upper bound the
/// inverse), at most 1 where one is not met; 0 where something was not measured.
double nearness(const Conditions& way) noexcept;

}  // namespace crucible::lab::scale
