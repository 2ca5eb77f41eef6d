#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "crucible/error.h"
#include "lab/record/activity.h"
#include "lab/record/histogram.h"
#include "lab/record/ledger.h"
#include "lab/record/limit_use.h"
#include "lab/record/resources.h"
#include "lab/record/series.h"
#include "lab/record/surroundings.h"
#include "lab/run/plan.h"
#include "lab/target/system.h"

namespace crucible::lab {

/// What one client measured in one segment of an open-loop pattern of several: by when events were
/// due, whenever they ended.
struct SegmentPart {
    std::uint64_t sent = 0;
    Histogram latency;  ///< of those handled

    SegmentPart& operator+=(const SegmentPart& other) {
        sent += other.sent;
        latency.merge(other.latency);
        return *this;
    }
};

/// Events that were wrong on purpose, and how they ended.
struct FaultCount {
    std::uint64_t sent = 0;
    std::uint64_t as_expected = 0;  ///< with the outcome they must have; counted as handled
    std::uint64_t otherwise = 0;    ///< with another one; counted as rejected
    FaultCount& operator+=(const FaultCount& other) noexcept {
        sent += other.sent;
        as_expected += other.as_expected;
        otherwise += other.otherwise;
        return *this;
    }
    friend bool operator==(const FaultCount&, const FaultCount&) = default;
};
using FaultCounts = std::array<FaultCount, kFaultCount>;  ///< by Fault

/// What one client measured in one phase.
struct ClientPhase {
    std::uint32_t client = 0;
    Delivery delivery;  ///< of all its events, the warm-up included
    Histogram latency;  ///< due -> completed (closed loop: sent -> completed); after the warm-up
    Histogram service_time;  ///< sent -> completed
    Histogram lateness;      ///< due -> sent; empty in closed loop
    /// The part of the lateness that is not time spent inside Target::send(): the injector's own.
    Histogram own_lateness;
    std::uint64_t completed = 0;  ///< handled events due after the warm-up
    std::uint64_t completed_in_window =
        0;                    ///< handled between the end of the warm-up and the end of the load
    Duration window_start{};  ///< end of the warm-up, from the phase's start
    Duration
        window{};  ///< end of the warm-up -> end of the load (when one more event would be due)
    std::uint64_t due_in_window = 0;  ///< open loop: events that were due in it
    std::uint64_t payload_bytes = 0;  ///< of all events sent
    std::uint64_t in_flight_max = 0;  ///< most events that were sent and had not ended
    /// Longest time without a completion while some event was in flight, after the warm-up.
    Duration longest_stall{};
    /// Sampled once in each kBacklogInterval (backlog_moment(), phase_run.h) from the phase's start
    /// until its window ends, or a load that is ended early or held up beyond it. Open loop: due
    /// and not ended, sent or not; closed loop: in flight.
    std::vector<std::uint64_t> backlog;
    std::vector<SegmentPart> segments;            ///< empty where the pattern has only one
    Duration series_interval = Series::kFine;     ///< of series
    Duration latency_interval = Series::kCoarse;  ///< of latency_series
    std::vector<SeriesPoint> series;              ///< from the phase's start
    std::vector<CoarseHistogram> latency_series;
    std::uint64_t unknown = 0;  ///< acknowledgements of events never sent
    /// Events in flight integrated over the phase, from counts alone: the ends' times minus the
    /// sends' times. And the same as the sum of the single service times, event by event.
    Duration in_flight_time{};
    Duration service_time_total{};
    /// Set when the target went away: what the client's send() or drain() said.
    std::optional<std::string> target_gone;
    FaultCounts faults{};
    /// What went otherwise than expected, as the target says it; up to the end of this phase.
    std::string remarks;
};
inline constexpr Duration kBacklogInterval = std::chrono::milliseconds(50);

/// A named yes/no statement about a trial, with its evidence.
struct Check {
    std::string name;  ///< as in the list at trial_checks(), checks.h
    bool passed = true;
    std::string detail;  ///< the figures, in one line
};

/// One phase over all clients.
struct PhaseResult {
    Phase phase;
    Delivery delivery;
    Histogram latency;
    Histogram service_time;
    Histogram lateness;
    Histogram own_lateness;
    std::vector<SegmentPart> segments;
    std::vector<SeriesPoint> series;
    std::vector<CoarseHistogram> latency_series;
    FaultCounts faults{};
    std::vector<ClientPhase> clients;  ///< without what is merged above
    /// Clients that died before they told of it, perhaps in a later phase: what they did is
    /// missing.
    std::uint32_t unreported = 0;
    std::uint64_t completed = 0;
    double throughput = 0;          ///< completed_in_window / window, summed over clients, events/s
    double payload_throughput = 0;  ///< bytes/s: throughput times the mean payload of what was sent
    bool saturated = false;  ///< open loop only: the backlog grew; latencies depend on the duration
    /// Of the system's processes, clients among them where they are part of it; the whole phase
    /// with its drain. No samples where its processes are not known.
    Usage usage;
    Usage usage_system;  ///< the system's own processes alone (zero for embedded ones)
    /// Everything that could be read of these, of the clients and of this process, where it was
    /// asked for.
    std::optional<ResourceReport> resources;
    /// What the threads of the system and of its clients did from the end of the warm-up to the end
    /// of the load, where it was asked for and their processes are known.
    std::optional<ActivityReport> activity;
    /// What was in use of the machine's limits late in the load, where it was asked for.
    std::vector<LimitUse> limits;
};

/// What failed: only of the first does the load tell.
enum class FailedPart : std::uint8_t {
    system,  ///< it died, went away or handled nothing
    client,  ///< a client process died, hung or broke the protocol
    stop,    ///< not all could be stopped in order, after the load
};

/// One trial of one system.
struct TrialResult {
    std::string target;  ///< the URL as written
    /// The client processes are part of the system; if not, what is measured is not theirs.
    bool includes_clients = true;
    /// It lives in them and nowhere else: a client that dies is the system's death.
    bool embedded = true;
    /// As many as were begun. With a failure of the system the last one is that in which it failed.
    std::vector<PhaseResult> phases;
    std::vector<Check> checks;
    Surroundings surroundings;  ///< from the start of the first phase to the end of the last
    std::optional<Error>
        failure;  ///< set when the target or a client failed: the rest is a partial result
    FailedPart failed_part = FailedPart::system;  ///< with a failure
    bool interrupted = false;                     ///< Ctrl-C: the rest is a partial result
    /// Whole, and its figures can be trusted: no failure, not interrupted, and "conservation",
    /// "schedule_kept" and "clock_sanity" passed. The other checks tell about the system (it lost
    /// events, it was saturated): those are results, not reasons to doubt them.
    bool valid() const;
};

/// Progress of a running trial, for display: called from the thread of run_trial, a few times a
/// second.
struct TrialProgress {
    std::string phase;
    std::uint64_t sent = 0;
    std::uint64_t planned = 0;
    std::uint64_t handled = 0;
    Duration elapsed{};
    Duration remaining{};
};

/// A moment at which nothing is in flight. There is none between a phase that flows on and the
/// next.
struct QuietMoment {
    /// Phases that have ended: before the first one 0.
    std::uint32_t phases_ended = 0;
    std::vector<pid_t> clients;
    std::vector<pid_t> system;  ///< the system's own processes besides them
};

struct TrialOptions {
    std::function<void(const TrialProgress&)> on_progress;
    std::stop_token stop;
    /// NAME=value, for every process that the trial starts.
    std::vector<std::string> environment;
    /// Called before the first phase and after each, when all its events have ended.
    std::function<void(const QuietMoment&)> on_quiet;
    /// Called after the load and before the system stops, with the system (tests inspect its data
    /// here).
    std::function<void(System&)> before_stop;
    bool resources = false;  ///< fill PhaseResult::resources
    bool activity = false;   ///< fill PhaseResult::activity and PhaseResult::limits
    /// Fill PhaseResult::limits: one reading late in the load, and no thread is sampled.
    bool limits = false;
    /// Of these phases alone, by index; none named: of all. Phases with and without on one system
    /// show what the sampling costs.
    std::vector<std::uint32_t> activity_phases = {};
    /// Keep each phase's histograms and series: some MiB a phase. Without them a trial may have any
    /// number of phases; its checks of delivery still hold, those of latencies see nothing.
    bool distributions = true;
};

/// Starts the system, N client processes, drives every phase, stops all, and merges. Between two
/// phases it waits until all events have ended, unless the first flows on. N is the URL's
/// `clients` option, else the plan's. The client program is this executable, called with
/// `worker --control-fd N`, or the one that the environment variable CRUCIBLE_WORKER names.
/// - Errc::invalid_argument: the plan has no phase, one without load, or one that cannot flow on.
/// - Errc::not_found, Errc::failed, …: nothing could be measured. Once load has run, trouble is in
///   TrialResult::failure beside what was measured.
Result<TrialResult> run_trial(const TargetUrl& target, const SystemOptions& system,
                              const Plan& plan, const TrialOptions& options);

/// The client process's whole life: speaks the control protocol on `control_fd` (JSON lines) until
/// told to end. Returns the process's exit code. Called by `crucible worker`, which run_trial
/// starts.
int worker_main(int control_fd);

}  // namespace crucible::lab
