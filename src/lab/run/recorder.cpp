#include "lab/run/recorder.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace crucible::lab {

Recorder::Recorder(const MeasuredPart& part)
    : part_(part),
      ledger_(part.planned),
      window_end_(part.window_end),
      busy_since_(part.phase_start),
      last_end_(part.phase_start),
      series_(part.window_end - part.phase_start, part.drain_limit) {
    latency_.reserve();
    service_time_.reserve();
    if (part.open_loop) {
        lateness_.reserve();
        own_lateness_.reserve();
    }
    if (!part.segment_bounds.empty()) {
        segments_sent_.resize(part.segment_bounds.size() + 1);
        segment_latencies_.resize(part.segment_bounds.size() + 1);
        for (auto& latencies : segment_latencies_) latencies.reserve();
    }
}

std::size_t Recorder::segment_of(TimePoint due) const noexcept {
    const auto after = std::ranges::upper_bound(part_.segment_bounds, due - part_.phase_start);
    return static_cast<std::size_t>(after - part_.segment_bounds.begin());
}

void Recorder::sending(std::uint64_t token, const Event& event, const EventTimes& times,
                       Duration own_lateness) {
    times_.put(token, times);
    payload_bytes_ += event.payload.size();
    if (part_.open_loop && token >= part_.first_measured) {
        lateness_.record(times.sent - times.due);
        own_lateness_.record(own_lateness);
        if (!segments_sent_.empty()) ++segments_sent_[segment_of(times.due)];
    }
    series_.sent(times.sent - part_.phase_start, times.sent - times.due);
    const std::uint64_t in_flight = ledger_.in_flight();
    if (in_flight == 0) busy_since_.store(times.sent, std::memory_order_relaxed);
    in_flight_max_ = std::max(in_flight_max_, in_flight + 1);
    ledger_.sent(token, event.priority);
    sent_.store(sent_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void Recorder::refused(std::uint64_t token, TimePoint at) noexcept {
    if (!ledger_.refused(token)) return;
    times_.take(token);
    series_.refused_at_send(at - part_.phase_start);
}

void Recorder::note_end(TimePoint at) noexcept {
    const TimePoint quiet_since =
        std::max({last_end_, busy_since_.load(std::memory_order_relaxed), part_.window_start});
    longest_stall_ = std::max(longest_stall_, at - quiet_since);
    last_end_ = at;
}

std::uint32_t Recorder::completed(std::span<const Completion> batch, TimePoint at) {
    // Before anything is acknowledged: while something is in flight, busy_since_ stands.
    if (ledger_.in_flight() > 0) note_end(at);
    const bool in_window =
        at >= part_.window_start && at < window_end_.load(std::memory_order_relaxed);
    std::uint32_t ended = 0;
    std::uint64_t handled = 0;
    for (const auto& [token, outcome] : batch) {
        if (!ledger_.acknowledged(token, outcome)) continue;
        const EventTimes times = times_.take(token);
        ++ended;
        sum_ended_ += since_start(at);
        sum_service_ += (at - times.sent).count();
        if (outcome != Outcome::handled) {
            series_.refused(at - part_.phase_start);
            continue;
        }
        ++handled;
        series_.handled(at - part_.phase_start, at - times.due);
        if (!measured(token, times.sent)) continue;
        ++completed_;
        latency_.record(at - times.due);
        if (part_.open_loop) service_time_.record(at - times.sent);
        if (!segment_latencies_.empty())
            segment_latencies_[segment_of(times.due)].record(at - times.due);
    }
    if (in_window) completed_in_window_ += handled;
    handled_.store(handled_.load(std::memory_order_relaxed) + handled, std::memory_order_relaxed);
    return ended;
}

ClientPhase Recorder::finish(std::uint32_t client, TimePoint at) {
    if (ledger_.in_flight() > 0) note_end(at);
    ClientPhase result;
    result.client = client;
    result.delivery = ledger_.close();
    CRUCIBLE_ASSERT(result.delivery.handled == handled());
    result.delivery.planned = part_.open_loop ? part_.planned : result.delivery.sent;
    result.latency = std::move(latency_);
    // In closed loop an event is due when it is sent.
    result.service_time = part_.open_loop ? std::move(service_time_) : result.latency;
    result.lateness = std::move(lateness_);
    result.own_lateness = std::move(own_lateness_);
    for (std::size_t i = 0; i < segments_sent_.size(); ++i)
        result.segments.push_back({segments_sent_[i], std::move(segment_latencies_[i])});
    result.series_interval = series_.fine();
    result.latency_interval = series_.coarse();
    result.series = series_.points();
    result.latency_series = series_.latencies();
    result.completed = completed_;
    result.completed_in_window = completed_in_window_;
    result.window_start = part_.window_start - part_.phase_start;
    result.window = std::max(window_end_.load() - part_.window_start, Duration::zero());
    if (part_.open_loop) {
        // Ended early, what was sent is about what was due until then.
        const bool whole = window_end_.load() == part_.window_end;
        const std::uint64_t due = whole ? part_.planned : sent();
        result.due_in_window = due - std::min(due, part_.first_measured);
    }
    result.payload_bytes = payload_bytes_;
    result.in_flight_max = in_flight_max_;
    result.longest_stall = longest_stall_;
    result.unknown = ledger_.unknown();
    result.in_flight_time = Duration(static_cast<std::int64_t>(sum_ended_ - sum_sent_));
    result.service_time_total = Duration(static_cast<std::int64_t>(sum_service_));
    return result;
}

}  // namespace crucible::lab
