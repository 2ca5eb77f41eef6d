#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "crucible/event.h"
#include "lab/pace/pacer.h"
#include "lab/pace/schedule.h"
#include "lab/run/plan.h"
#include "lab/run/recorder.h"
#include "lab/run/send_window.h"
#include "lab/run/trial.h"
#include "lab/target/target.h"
#include "lab/workload/workload.h"

namespace crucible::lab {

/// Which client's share of which phase.
struct PhaseShare {
    std::uint32_t phase = 0;  ///< its number in the plan
    std::uint32_t client = 0;
    std::uint32_t clients = 1;
    /// Of the arrivals and of the moments of samples. A phase that follows without a rest has other
    /// arrivals than the one before it, the same in each client.
    std::uint64_t seed = 1;
    /// Events this client has sent in earlier phases: its stream goes on behind them, as ids must
    /// not come again and files and records have a life that spans phases. Of a phase that follows
    /// another one without a rest that one knows.
    std::uint64_t events_before = 0;
    Duration drain_limit{};
    /// False where the target takes everything, so that no faulty event can end as it must.
    bool judge_faults = true;
};

/// Of `total` events dealt in turn to `clients` clients, how many are `client`'s.
std::uint64_t share_of(std::uint64_t total, std::uint32_t client, std::uint32_t clients) noexcept;

/// When sample `n` of a share's backlog is taken, from the phase's start: in equal steps of
/// kBacklogInterval from a random start within the first (systematic sampling: Cochran, Sampling
/// Techniques, 8.1). Clients that sample at once see each other do so, and from the start of the
/// load all see the same part of a period of equal arrivals; but at random moments of each interval
/// they see another part each time, which is noise in a slope.
Duration backlog_moment(const PhaseShare& share, std::uint64_t n) noexcept;

/// One client driving one phase. Constructed, its memory is ready; run() is called once. It takes
/// some 1.4 MiB, of phases that flow on into one another all at once and until the last is
/// reported: making it meanwhile would disturb what is measured. 25 of them are 35 MiB a client.
///
/// Open loop: event i is due at a fixed time and sent then, or at once when that has passed; no
/// send waits for a completion. The next event is generated before it is due. What is not sent
/// `drain_limit` after the last due time (because the target's send() held everything up) stays
/// unsent. Closed loop: an event is sent whenever fewer than `window` are in flight.
class PhaseRun {
public:
    /// References are kept. `clock` times the sends; a target's completions are on the same clock.
    /// `before`: the phase that flows on into this one, which begins at its load_end().
    PhaseRun(const Phase& phase, const PhaseShare& share, TimePoint start, Workload& workload,
             base::Clock& clock, Pacer& pacer, const PhaseRun* before = nullptr);

    /// Drives the load, and drains `target` unless the phase flows on. From one thread, that of
    /// `before`, once that one has returned.
    void run(Target& target);

    /// When its load ends by the plan.
    TimePoint load_end() const noexcept { return part_.window_end; }
    /// The phase to which a token that the target was given belongs.
    static std::uint32_t phase_of(std::uint64_t token) noexcept;
    /// The target is closed. From the thread of run().
    bool target_gone() const noexcept { return target_gone_.has_value(); }

    /// The target's completions, from its thread or from inside run().
    void completed(std::span<const Completion> batch, TimePoint at);

    /// Ends the load early; run() returns once the target is drained. Before run(): there is no
    /// load. From any thread.
    void stop() noexcept;

    std::uint64_t sent() const noexcept { return recorder_.sent(); }
    std::uint64_t handled() const noexcept { return recorder_.handled(); }

    /// When sample_backlog() is to be called next; nothing once the window, or a load that is ended
    /// early, has. A target that holds the load up beyond its window is sampled until then.
    std::optional<TimePoint> next_sample() const noexcept;
    /// Takes the samples of the backlog that are due by `now`. From one thread, that of
    /// next_sample() and finish().
    void sample_backlog(TimePoint now);

    /// After run().
    ClientPhase finish();

private:
    MeasuredPart plan_part(TimePoint start);
    void send_on_schedule(Target& target);
    void send_in_window(Target& target);
    /// False when the target is closed.
    bool send(Target& target, std::uint64_t n, TimePoint due, TimePoint now, Duration own_lateness);
    /// The time at which the wait ended, not before `due`; nothing when the load shall stop.
    std::optional<TimePoint> wait_until(Target& target, TimePoint due);
    std::optional<TimePoint> serve_until(Target& target, TimePoint due);
    /// False when there is none until the end of the window.
    bool acquire_place(Target& target);
    void fill(std::uint64_t n);
    /// Place of event `n` in the workload.
    std::uint64_t index_of(std::uint64_t n) const noexcept {
        return share_.client + (events_before_ + n) * share_.clients;
    }
    /// What the ledger shall know: `handled` where a faulty event ended as it must.
    Completion judged(Completion completion);
    void note_if_gone(const Result<>& result);
    std::uint64_t due_by(TimePoint now);
    /// Of a phase that flows on, and those before it: what has not ended, sent or not.
    std::uint64_t left_over() const;

    const Phase& phase_;
    const PhaseShare share_;
    const PhaseRun* const before_;
    const std::uint32_t place_;    ///< phases since one that began after a rest
    std::uint64_t events_before_;  ///< set before the first event is sent
    Workload& workload_;
    base::Clock& clock_;
    Pacer& pacer_;
    std::optional<Schedule> schedule_;          ///< the sender's; in open loop
    std::optional<Schedule> sampler_schedule_;  ///< the sampler's
    const MeasuredPart part_;
    Recorder recorder_;
    SendWindow window_;
    const bool judges_;  ///< there are faulty events, and their ends count
    Event event_;
    Duration wall_offset_{};          ///< wall clock minus monotonic clock
    TimePoint returned_;              ///< when the last send() returned
    bool refused_ = false;            ///< the last send was
    TimePoint read_again_;            ///< coalesced: not before
    std::array<Completion, 64> own_;  ///< those of a batch that belong to this phase
    std::optional<std::string> target_gone_;
    std::string remarks_;          ///< of the target
    FaultCounts faults_{};         ///< `sent` is the sender's, the rest the target's thread's
    std::uint64_t due_count_ = 0;  ///< events of this client due at the last sample
    std::atomic<bool> stopping_ = false;
    TimePoint samples_end_;  ///< the sender's until load_ended_
    std::atomic<bool> load_ended_ = false;
    std::vector<std::uint64_t> backlog_;  ///< the sampler's
};

}  // namespace crucible::lab
