#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/time.h"
#include "lab/record/activity.h"

namespace crucible::lab::scale {

/// What keeps a system from doing more, in the order in which it is asked.
enum class Bottleneck : std::uint8_t {
    client_limited,   ///< the injector: nothing is known of the system's limit
    quota_throttled,  ///< a CPU quota
    headroom,         ///< nothing: it did all that was asked, as was asked
    memory_pressure,  ///< page faults, reclaim
    io,               ///< storage
    lock_contention,  ///< mutexes, or locks on files
    back_pressure,    ///< what is behind it: it waits for a peer's answers, or refuses
    noisy_neighbour,  ///< other programs, or other machines on the same host
    cpu_bound,        ///< the processors
    workers,          ///< threads that are busy all the time while processors have room
    mixed,            ///< several, of which none is decisive
    unknown,          ///< there is a limit, and nothing that was looked at shows it
};
inline constexpr std::size_t kBottleneckCount = 12;
/// "lock_contention", as in result files.
std::string_view to_string(Bottleneck bottleneck) noexcept;
/// "lock contention", as in sentences.
std::string_view described(Bottleneck bottleneck) noexcept;

/// Everything that the rules look at, of one stretch of load. What was not measured is absent; the
/// rules then say so rather than take it for zero.
struct BottleneckEvidence {
    /// The load was more than the system could take: an objective was broken, its backlog grew, or
    /// the load was closed-loop, which by itself asks for all there is.
    bool limit_reached = false;
    /// Which and by how much, for people: "latency_p99 25.3 ms, allowed 10 ms".
    std::string limit;
    bool closed_loop = false;
    double offered = 0;        ///< events per second
    double achieved = 0;       ///< events per second
    double refused_share = 0;  ///< of the events sent

    double own_lateness_p99_s = 0;  ///< of the injector at its own fault; 0 in closed loop
    double own_lateness_share = 0;  ///< that mean / mean of the whole lateness
    /// The limit was reached by more than that lateness can have caused: it is no evidence.
    bool lateness_excused = false;
    double unsent_share = 0;  ///< of the planned events

    ActivityReport activity;
};

/// One observed value against its threshold.
struct BottleneckFigure {
    std::string name;  ///< "cpu_utilization"
    std::string what;  ///< "share of the processors in use"
    std::string unit;  ///< "1", "s", "cores", "threads", "1/s"
    std::optional<double> observed;
    double threshold = 0;
    bool at_least = true;  ///< it supports its rule from the threshold upwards; else below it
    bool met = false;
    bool assumed = false;  ///< met without having been measured
    double most = 1e9;     ///< more cannot be observed: 1 of shares, and of yes or no

    /// "share of the processors in use 97 % (at least 85 %)".
    std::string text() const;
};

/// One rule, asked.
struct BottleneckRule {
    Bottleneck verdict{};
    bool holds = false;
    std::vector<BottleneckFigure> figures;
    std::string why;  ///< one sentence: why it holds, or what excludes it
};

enum class Confidence : std::uint8_t { low, medium, high };
std::string_view to_string(Confidence confidence) noexcept;

struct BottleneckJudgement {
    Bottleneck verdict = Bottleneck::unknown;
    Confidence confidence = Confidence::low;
    std::string why_confidence;
    std::string reason;                      ///< one sentence, plain English
    std::vector<BottleneckFigure> evidence;  ///< of the rule that decided
    /// The other rules, in order: those before it did not hold, those after it would come second.
    std::vector<BottleneckRule> excluded;
    /// What to change to see whether that is it; empty where nothing is known to help.
    std::string intervention;
};

/// The first rule that holds decides. docs/design/bottlenecks.md has the rules, their thresholds
/// and the reasons for these. A pure function.
BottleneckJudgement judge_bottleneck(const BottleneckEvidence& evidence);

}  // namespace crucible::lab::scale
