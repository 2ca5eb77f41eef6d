#include "lab/run/phase_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/planted_fault.h"
#include "base/rng.h"
#include "crucible/allocation.h"

namespace crucible::lab {
namespace {

const AllocationOwner kWorkloadOwner("workload", kApart);
/// What the target allocates in the harness's threads; its own parts have scopes within.
const AllocationOwner kTargetOwner("target");

using namespace std::chrono_literals;

/// How long a sleep may be before it looks whether the load shall stop.
constexpr Duration kStopLatency = 50ms;
/// How long a closed loop waits after a refusal: asking again at once would only burn CPU.
constexpr Duration kBackOff = 1ms;

// The phase goes with the token, so that an event of one phase that ends in the next is not taken
// for one of that.
constexpr unsigned kPhaseShift = 40;
constexpr std::uint64_t kNumberMask = (std::uint64_t{1} << kPhaseShift) - 1;
static_assert(kNumberMask >= InFlightTimes::kTokensMax);

constexpr std::uint64_t kArrivalsStream = 0x61727269766c;  // "arrivl"
constexpr std::uint64_t kBacklogStream = 0x6261636b6c67;   // "backlg", and one for each client

/// Of the phase that is `place` phases behind one that began after a rest. With the same random
/// gaps in each of them a burst would come again in each: one draw would speak for all loads.
std::optional<Schedule> schedule_of(const Phase& phase, std::uint64_t seed, std::uint32_t place) {
    if (!phase.pattern) return std::nullopt;
    if (place > 0) seed = base::Rng::at(seed, kArrivalsStream, place).next();
    return Schedule(*phase.pattern, phase.warmup, phase.arrivals, seed);
}

/// Calls the target as the owner of what it allocates.
void serve(Target& target, TimePoint until) {
    const AllocationScope scope(kTargetOwner);
    target.serve(until);
}
Result<> send_to(Target& target, const Event& event, std::uint64_t token) {
    const AllocationScope scope(kTargetOwner);
    return target.send(event, token);
}
Result<> drain(Target& target, Duration limit) {
    const AllocationScope scope(kTargetOwner);
    return target.drain(limit);
}

}  // namespace

std::uint64_t share_of(std::uint64_t total, std::uint32_t client, std::uint32_t clients) noexcept {
    return total > client ? (total - client - 1) / clients + 1 : 0;
}

Duration backlog_moment(const PhaseShare& share, std::uint64_t n) noexcept {
    auto random = base::Rng::at(share.seed, kBacklogStream + share.client, share.phase);
    const auto start = random.below(static_cast<std::uint64_t>(kBacklogInterval.count()));
    return static_cast<std::int64_t>(n) * kBacklogInterval +
           Duration(static_cast<std::int64_t>(start));
}

PhaseRun::PhaseRun(const Phase& phase, const PhaseShare& share, TimePoint start, Workload& workload,
                   base::Clock& clock, Pacer& pacer, const PhaseRun* before)
    : phase_(phase),
      share_(share),
      before_(before),
      place_(before != nullptr ? before->place_ + 1 : 0),
      events_before_(share.events_before),
      workload_(workload),
      clock_(clock),
      pacer_(pacer),
      schedule_(schedule_of(phase, share.seed, place_)),
      sampler_schedule_(schedule_),
      part_(plan_part(start)),
      recorder_(part_),
      window_(phase.window),
      judges_(share.judge_faults && workload.faults().any()),
      wall_offset_(base::wall_now().time_since_epoch() - base::monotonic_now().time_since_epoch()),
      returned_(start),
      samples_end_(part_.window_end) {
    backlog_.reserve(static_cast<std::size_t>((part_.window_end - start) / kBacklogInterval) + 1);
}

MeasuredPart PhaseRun::plan_part(TimePoint start) {
    MeasuredPart part;
    part.phase_start = start;
    part.open_loop = phase_.open_loop();
    part.drain_limit = share_.drain_limit;
    if (!part.open_loop) {
        part.window_start = start + phase_.warmup;
        part.window_end = part.window_start + phase_.closed_duration;
        return part;
    }
    const std::uint64_t warmup = phase_.warmup_events();
    const std::uint64_t end = warmup + phase_.events();
    part.first_measured = share_of(warmup, share_.client, share_.clients);
    part.planned = share_of(end, share_.client, share_.clients);
    part.window_start = start + (warmup > 0 ? schedule_->due(warmup) : 0ns);
    part.window_end = start + schedule_->due(end);
    for (std::size_t i = 1; i < phase_.pattern->segments().size(); ++i)
        part.segment_bounds.push_back(schedule_->pattern_start() + phase_.pattern->start_of(i));
    return part;
}

std::uint32_t PhaseRun::phase_of(std::uint64_t token) noexcept {
    return static_cast<std::uint32_t>(token >> kPhaseShift);
}

void PhaseRun::run(Target& target) {
    if (before_ != nullptr) {
        events_before_ = before_->events_before_ + before_->sent();
        // Held up by a send() of the phase before, it begins late by no fault of its own.
        returned_ = std::max(returned_, before_->returned_);
    }
    if (part_.open_loop) {
        send_on_schedule(target);
    } else {
        send_in_window(target);
    }
    const TimePoint now = clock_.now();
    const bool whole = part_.open_loop && recorder_.sent() == part_.planned;
    if (!whole && now < part_.window_end) {
        recorder_.end_window(now);
        samples_end_ = now;
    }
    load_ended_.store(true);
    if (phase_.flows_on) return;
    // An error here leaves events in flight: the ledger has them, as lost.
    note_if_gone(drain(target, share_.drain_limit));
    remarks_ = target.remarks();
}

void PhaseRun::fill(std::uint64_t n) {
    const AllocationScope scope(kWorkloadOwner);
    CRUCIBLE_FAULT_POINT("injector", 1);
    workload_.fill(index_of(n), share_.client, share_.clients, event_);
}

std::optional<TimePoint> PhaseRun::wait_until(Target& target, TimePoint due) {
    if (target.polled()) return serve_until(target, due);
    for (;;) {
        if (stopping_.load(std::memory_order_relaxed)) return std::nullopt;
        const TimePoint now = clock_.now();
        if (due - now <= kStopLatency) return pacer_.wait_until(due);
        clock_.sleep_until(std::min(now + kStopLatency, due - kStopLatency));
    }
}

std::optional<TimePoint> PhaseRun::serve_until(Target& target, TimePoint due) {
    const TimePoint end = pacer_.end_of_wait(due);
    const TimePoint no_more_sleep = end - pacer_.margin(end - clock_.now());
    for (;;) {
        if (stopping_.load(std::memory_order_relaxed)) return std::nullopt;
        TimePoint now = clock_.now();
        if (now >= end) return now;
        if (pacer_.pacing() == Pacing::coalesced && now < read_again_) {
            // What comes one after the other is read together: a wake-up for each would be the
            // larger part of the cost.
            clock_.sleep_until(std::min(end, read_again_));
            now = clock_.now();
        }
        // Within the margin it looks again and again instead of sleeping, as a wait that only spins
        // would leave what arrives meanwhile unread.
        const TimePoint sleep_end = std::max(now, no_more_sleep);
        serve(target, std::min(sleep_end, now + kStopLatency));
        read_again_ = clock_.now() + kReadTogether;
    }
}

bool PhaseRun::acquire_place(Target& target) {
    if (!target.polled()) return window_.acquire(part_.window_end);
    while (!window_.try_acquire()) {
        const TimePoint now = clock_.now();
        if (now >= part_.window_end || stopping_.load(std::memory_order_relaxed)) return false;
        serve(target, std::min({part_.window_end, now + kStopLatency, window_.next_return()}));
    }
    return true;
}

void PhaseRun::send_on_schedule(Target& target) {
    const TimePoint give_up = part_.window_end + share_.drain_limit;
    // When events would have been sent if send() took no time: what is late then is the injector's
    // own fault and not that of a target that holds up its callers.
    TimePoint unhindered = part_.phase_start;
    for (std::uint64_t n = 0; n < part_.planned; ++n) {
        if (target.uses_events()) fill(n);
        const TimePoint due =
            part_.phase_start + schedule_->due(share_.client + n * share_.clients);
        TimePoint now = clock_.now();
        if (now < due) {
            const auto waited = wait_until(target, due);
            if (!waited) return;
            now = *waited;
            unhindered = now;
        } else {
            if (stopping_.load(std::memory_order_relaxed) || now > give_up) return;
            // Late or not, what arrives is read; of a batch that leaves together not after each.
            if (target.polled() && !(pacer_.pacing() == Pacing::coalesced && now < read_again_)) {
                serve(target, now);
                read_again_ = now + kReadTogether;
            }
            unhindered = std::max(due, unhindered + (now - returned_));
        }
        if (!send(target, n, due, now, unhindered - due)) return;
    }
}

void PhaseRun::send_in_window(Target& target) {
    if (!wait_until(target, part_.phase_start)) return;
    for (std::uint64_t n = 0; n < InFlightTimes::kTokensMax; ++n) {
        if (target.uses_events()) fill(n);
        if (!acquire_place(target)) return;
        const TimePoint now = clock_.now();
        if (now >= part_.window_end) return;
        if (!send(target, n, now, now, 0ns)) return;
        if (refused_) clock_.sleep_until(returned_ + kBackOff);
    }
}

bool PhaseRun::send(Target& target, std::uint64_t n, TimePoint due, TimePoint now,
                    Duration own_lateness) {
    event_.created = WallTime(now.time_since_epoch() + wall_offset_);
    recorder_.sending(n, event_, {.due = due, .sent = now}, own_lateness);
    const auto result = send_to(target, event_, std::uint64_t{share_.phase} << kPhaseShift | n);
    refused_ = !result;
    // Reading the clock is the larger part of what the harness costs.
    if (part_.open_loop || refused_) returned_ = clock_.now();
    if (result) {
        if (judges_) {
            const Fault fault = workload_.fault_of(index_of(n), share_.clients);
            ++faults_[static_cast<std::size_t>(fault)].sent;
        }
        recorder_.accepted(now);
        return true;
    }
    recorder_.refused(n, returned_);
    if (!part_.open_loop) window_.release(1);
    note_if_gone(result);
    return !target_gone_;
}

void PhaseRun::note_if_gone(const Result<>& result) {
    if (result || result.error().code != Errc::closed || target_gone_) return;
    const auto& message = result.error().message;
    target_gone_ = message.empty() ? "the target closed the connection" : message;
}

void PhaseRun::completed(std::span<const Completion> batch, TimePoint at) {
    std::size_t count = 0;
    std::uint32_t ended = 0;
    for (const auto& completion : batch) {
        if (phase_of(completion.token) != share_.phase) continue;
        own_[count++] = judged({completion.token & kNumberMask, completion.outcome});
        if (count == own_.size()) {
            ended += recorder_.completed(own_, at);
            count = 0;
        }
    }
    if (count > 0) ended += recorder_.completed(std::span(own_).first(count), at);
    if (part_.open_loop || ended == 0) return;
    if (phase_.think > Duration::zero()) {
        window_.release_at(ended, at + phase_.think);
    } else {
        window_.release(ended);
    }
}

Completion PhaseRun::judged(Completion completion) {
    if (!judges_) return completion;
    const Fault fault = workload_.fault_of(index_of(completion.token), share_.clients);
    if (fault == Fault::none) return completion;
    auto& count = faults_[static_cast<std::size_t>(fault)];
    const bool as_expected = completion.outcome == expected_outcome(fault);
    ++(as_expected ? count.as_expected : count.otherwise);
    if (as_expected) {
        completion.outcome = Outcome::handled;
    } else if (completion.outcome == Outcome::handled) {
        completion.outcome = Outcome::failed;
    }
    return completion;
}

void PhaseRun::stop() noexcept {
    stopping_.store(true);
    window_.close();
}

std::uint64_t PhaseRun::due_by(TimePoint now) {
    const auto due = [this](std::uint64_t n) {
        return part_.phase_start + sampler_schedule_->due(share_.client + n * share_.clients);
    };
    while (due_count_ < part_.planned && due(due_count_) <= now) ++due_count_;
    return due_count_;
}

std::uint64_t PhaseRun::left_over() const {
    std::uint64_t events = recorder_.in_flight();
    if (!load_ended_.load()) events += part_.planned - std::min(part_.planned, recorder_.sent());
    return events + (before_ != nullptr ? before_->left_over() : 0);
}

std::optional<TimePoint> PhaseRun::next_sample() const noexcept {
    const TimePoint next = part_.phase_start + backlog_moment(share_, backlog_.size());
    if (load_ended_.load() && next >= samples_end_) return std::nullopt;
    return next;
}

void PhaseRun::sample_backlog(TimePoint now) {
    const TimePoint until = load_ended_.load() ? std::min(now, samples_end_) : now;
    if (until < part_.phase_start) return;
    const Duration passed = until - part_.phase_start;
    auto due = static_cast<std::size_t>(passed / kBacklogInterval);
    if (passed >= backlog_moment(share_, due)) ++due;
    if (backlog_.size() >= due) return;
    std::uint64_t backlog = recorder_.in_flight();
    if (part_.open_loop) {
        const std::uint64_t sent = recorder_.sent();
        backlog += due_by(now) - std::min(due_by(now), sent);
    }
    // Behind what the phase before has left this one's events wait: without it the backlog would
    // seem to grow while it falls.
    if (before_ != nullptr) backlog += before_->left_over();
    // A sampler that came late has seen nothing in between: the time between is the sample's too.
    backlog_.resize(due, backlog);
}

ClientPhase PhaseRun::finish() {
    // The load was drained before its window's end: what is left is what there was until then.
    if (load_ended_.load()) sample_backlog(samples_end_);
    samples_end_ = part_.phase_start;
    auto result = recorder_.finish(share_.client, clock_.now());
    result.backlog = std::move(backlog_);
    result.target_gone = target_gone_;
    result.remarks = remarks_;
    if (judges_) result.faults = faults_;
    return result;
}

}  // namespace crucible::lab
