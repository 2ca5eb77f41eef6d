#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "crucible/event.h"
#include "crucible/time.h"
#include "lab/record/ledger.h"
#include "lab/record/series.h"
#include "lab/run/in_flight_times.h"
#include "lab/run/trial.h"
#include "lab/target/target.h"

namespace crucible::lab {

/// What counts in a phase: everything goes into the ledger, the measured part into the figures.
struct MeasuredPart {
    TimePoint phase_start;
    TimePoint window_start;  ///< end of the warm-up
    TimePoint window_end;    ///< end of the load
    bool open_loop = true;
    /// Open loop: tokens from here on are measured. Closed loop: those sent from window_start on.
    std::uint64_t first_measured = 0;
    std::uint64_t planned = 0;  ///< events of this client, warm-up included; 0 where not known
    /// When the second and further segments of the pattern begin, from phase_start.
    std::vector<Duration> segment_bounds;
    Duration drain_limit{};  ///< how long events may end after the window
};

/// Records one client's phase. The sending thread calls sending(), returned() and refused(); the
/// target's thread completed(); they may run at once. Any thread may ask for the counts.
class Recorder {
public:
    explicit Recorder(const MeasuredPart& part);

    /// `token` is about to be handed over, `sent` being now. `own_lateness`: see ClientPhase.
    void sending(std::uint64_t token, const Event& event, const EventTimes& times,
                 Duration own_lateness);
    /// Its send succeeded.
    void accepted(TimePoint sent) noexcept { sum_sent_ += since_start(sent); }
    /// Its send failed; it ended there.
    void refused(std::uint64_t token, TimePoint at) noexcept;

    /// The load ended early, at `at`: the window ends there. From the sending thread.
    void end_window(TimePoint at) noexcept { window_end_.store(at, std::memory_order_relaxed); }

    /// Returns how many events ended: duplicates and unknown ones are no ends.
    std::uint32_t completed(std::span<const Completion> batch, TimePoint at);

    std::uint64_t sent() const noexcept { return sent_.load(std::memory_order_relaxed); }
    std::uint64_t handled() const noexcept { return handled_.load(std::memory_order_relaxed); }
    std::uint64_t in_flight() const noexcept { return ledger_.in_flight(); }

    /// The client's figures, once nothing can end any more; `at` is that time. Everything in flight
    /// is lost.
    ClientPhase finish(std::uint32_t client, TimePoint at);

private:
    __extension__ using WideSum = __int128;  // 2^32 events of an hour each
    WideSum since_start(TimePoint at) const noexcept { return (at - part_.phase_start).count(); }
    bool measured(std::uint64_t token, TimePoint sent) const noexcept {
        return part_.open_loop ? token >= part_.first_measured : sent >= part_.window_start;
    }
    void note_end(TimePoint at) noexcept;
    /// Of an event due then.
    std::size_t segment_of(TimePoint due) const noexcept;

    const MeasuredPart part_;
    Ledger ledger_;
    InFlightTimes times_;
    std::atomic<TimePoint> window_end_;

    // The sender's.
    std::atomic<std::uint64_t> sent_ = 0;
    std::atomic<TimePoint> busy_since_;  ///< the send that found nothing in flight
    std::uint64_t payload_bytes_ = 0;
    std::uint64_t in_flight_max_ = 0;
    WideSum sum_sent_ = 0;
    Histogram lateness_;
    Histogram own_lateness_;
    std::vector<std::uint64_t> segments_sent_;

    // The target's, on cache lines of its own.
    alignas(64) std::atomic<std::uint64_t> handled_ = 0;
    std::uint64_t completed_ = 0;
    std::uint64_t completed_in_window_ = 0;
    WideSum sum_ended_ = 0;
    WideSum sum_service_ = 0;
    TimePoint last_end_;
    Duration longest_stall_{};
    Histogram latency_;
    Histogram service_time_;
    std::vector<Histogram> segment_latencies_;

    Series series_;  // each side has its own part of it
};

}  // namespace crucible::lab
