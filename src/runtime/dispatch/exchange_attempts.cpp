// Exchange: attempts, their ends, and what waits for its time.
#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "crucible/allocation.h"
#include "runtime/dispatch/exchange.h"

namespace crucible::runtime {
namespace {

/// What a repeat is told of the reason that its first ended for.
constexpr std::size_t kReasonBytesMax = 1024;
const AllocationOwner kEndsOwner("acknowledgement");
constexpr std::string_view kWaitedOut = "its deadline passed while it waited";
/// How often one that waits for a circuit breaker is looked at: by then its deadline may have
/// passed, its service may have gone, or the process may be stopping.
constexpr Duration kBreakerLook = std::chrono::seconds(1);

}  // namespace

/// Gives `task` to its instance; takes it only on success.
/// - Errc::overloaded: that has enough. - Errc::closed: its circuit breaker is open, with a
/// message.
Result<> Exchange::hand_over(TaskPtr& task) {
    const std::size_t place = task->instance;
    CircuitBreaker& breaker = instances_[place].breaker;
    // A closed one does not need the time.
    const bool closed = breaker.state() == CircuitBreaker::State::closed;
    const auto permit = breaker.admit(closed ? TimePoint{} : base::monotonic_now());
    if (!permit) {
        return std::unexpected(
            Error{Errc::closed, "the circuit breaker of " + services_.name_of(place) + " is open"});
    }
    task->permit = *permit;
    states_.begin(place);
    auto submitted = dispatcher_->submit(std::move(task));
    if (!submitted) {
        states_.end(place);
        breaker.abandoned(*permit);
    }
    return submitted;
}

/// The same; where the instance has enough and Overflow::shed allows it, another of its events
/// goes.
Result<> Exchange::hand_over_or_shed(TaskPtr& task) {
    for (;;) {
        auto handed_over = hand_over(task);
        if (handed_over || handed_over.error().code != Errc::overloaded ||
            options_.overflow != Overflow::shed)
            return handed_over;
        TaskPtr shed = dispatcher_->take_below(task->event.priority, task->instance);
        if (!shed) return handed_over;
        end_shed(std::move(shed), task->event.priority);
    }
}

/// In a worker: what becomes of the events of a batch.
void Exchange::after_attempts(Ends& ends, std::span<TaskPtr> tasks,
                              std::span<HandleResult> results) {
    const AllocationScope scope(kEndsOwner);
    const TimePoint now = base::monotonic_now();
    // All of a batch were given to one instance.
    const std::size_t place = tasks.front()->instance;
    Instance& instance = instances_[place];
    const auto attempts = std::ranges::count(tasks, false, &Task::waited_out);
    instance.handed_over.fetch_add(static_cast<std::uint64_t>(attempts), std::memory_order_relaxed);
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        TaskPtr& task = tasks[i];
        HandleResult& result = results[i];
        states_.end(place);
        switch (result.outcome) {
            case Outcome::handled:
                instance.breaker.succeeded(task->permit, now);
                break;
            case Outcome::failed:
                instance.failed.fetch_add(1, std::memory_order_relaxed);
                // One that fails again says more of itself than of the instance, unless that is on
                // probation.
                if (!result.not_now && !result.for_good &&
                    (task->attempts == 0 ||
                     instance.breaker.state() == CircuitBreaker::State::half_open)) {
                    instance.breaker.failed(task->permit, now);
                } else {
                    instance.breaker.abandoned(task->permit);
                }
                if (result.for_good && !may_lack_another(*task)) {
                    count_attempt(*task);
                } else {
                    // The next one's: it was given it. What could not be done as things are was not
                    // begun: coming again as a redelivery it would take what another event did for
                    // its own.
                    const std::uint32_t given = result.for_good ? 0 : 1;
                    task->event.attempt += given;
                    if (try_again(task, result.for_good)) continue;
                    task->event.attempt -= given;
                }
                bury(*task, result.reason);
                break;
            case Outcome::rejected:
            case Outcome::expired:
                instance.breaker.abandoned(task->permit);
                break;
        }
        ends.tasks.push_back(std::move(task));
        ends.results.push_back(&result);
    }
    end_all(ends);
}

void Exchange::count_attempt(Task& task) const {
    if (++task.attempts == 1) task.first_failed = base::wall_now();
}

/// Whether what it asks for may be still to come: an event before it is tried again.
bool Exchange::may_lack_another(const Task& task) const noexcept {
    return being_retried_.load() > (task.being_retried ? 1u : 0u);
}

/// Keeps a task whose attempt has failed for its next one; takes it only if there is one.
bool Exchange::try_again(TaskPtr& task, bool own_fault) {
    count_attempt(*task);
    std::optional<Duration> remaining;
    if (task->event.deadline) remaining = *task->event.deadline - base::wall_now();
    const std::lock_guard lock(timer_mutex_);
    const auto delay = options_.retry.delay(task->attempts, remaining, random_);
    if (!delay) return false;
    Task& kept = *task;
    if (!wait_until(base::monotonic_now() + *delay, task)) return false;
    if (!own_fault && !std::exchange(kept.being_retried, true)) being_retried_.fetch_add(1);
    retries_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

/// Keeps a task that the circuit breaker of an external service refused until that lets it through.
/// Nobody was given it, so that no attempt has been made: one that its service has had may have no
/// other left. False when nobody is there to wait for, so many wait as an instance may have, or
/// there is no time.
bool Exchange::await_breaker(TaskPtr& task) {
    if (!services_.is_external(task->instance) || hurried_.load() ||
        !services_.external().taken(task->instance - services_.services().size()))
        return false;
    const TimePoint now = base::monotonic_now();
    const TimePoint soon = now + options_.retry.base;
    const TimePoint due = std::clamp(instances_[task->instance].breaker.wakes_at().value_or(soon),
                                     soon, std::max(soon, now + kBreakerLook));
    const std::lock_guard lock(timer_mutex_);
    auto& awaiting = instances_[task->instance].awaiting_breaker;
    if (awaiting >= options_.dispatch.service_events_max) return false;
    task->awaits_breaker = true;
    if (!wait_until(due, task)) {
        task->awaits_breaker = false;
        return false;
    }
    ++awaiting;
    return true;
}

/// Under timer_mutex_. False when too many wait; `task` is taken only else.
bool Exchange::wait_until(TimePoint due, TaskPtr& task) {
    const auto next = retrying_.next_due();
    if (!retrying_.push(due, std::move(task))) return false;
    if (!next || due < *next) poke_timer();
    return true;
}

// --- Ends

void Exchange::end(TaskPtr task, HandleResult& result) {
    Ends ends;
    ends.tasks.push_back(std::move(task));
    ends.results.push_back(&result);
    end_all(ends);
}

void Exchange::end_all(Ends& ends) {
    std::array<std::uint64_t, 4> counts{};
    std::size_t alone = 0;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < ends.tasks.size(); ++i) {
        Task& task = *ends.tasks[i];
        HandleResult& result = *ends.results[i];
        if (std::exchange(task.being_retried, false)) being_retried_.fetch_sub(1);
        if (const auto joint = std::exchange(task.joint, nullptr)) {
            // Before the last of them, perhaps another worker's, ends the event: who has drained
            // finds the queue empty.
            release(1, task.bytes);
            if (!joint->join(result)) continue;
            if (joint->failure) bury(task, *joint->failure, result.reason);
        } else {
            ++alone;
            bytes += task.bytes;
        }
        ++ends.events;
        ++counts[static_cast<std::size_t>(result.outcome)];
        if (seen_) {
            seen_->conclude(task.event.id, result.outcome);
            if (repeats_waiting_.load() > 0) answer_repeats(task.event.id, result, ends);
        }
        if (task.owner != kNobody)
            ends.completions.push_back({task.owner, task.token, &result, task.bytes});
    }
    for (std::size_t outcome = 0; outcome < counts.size(); ++outcome) {
        if (counts[outcome] > 0) outcomes_[outcome].fetch_add(counts[outcome]);
    }
    // Room is made before the completions go out: a publisher that waits for one finds a place when
    // it has it.
    release(alone, bytes);
    pool_.recycle(ends.tasks);
    ends.tasks.clear();
    ends.results.clear();
    deliver(ends);
}

/// Tells the ends, and only then counts them: who has drained has heard of everything.
void Exchange::deliver(Ends& ends) {
    if (!ends.completions.empty()) sink_(ends.completions);
    ends.completions.clear();
    ends.answers.clear();
    ended_.fetch_add(std::exchange(ends.events, 0));
    tell_waiters();
}

/// After every change of what drain() and wait_for_room() wait for.
void Exchange::tell_waiters() {
    if (waiters_.load() == 0) return;
    // Empty on purpose: whoever is between its check and its wait holds the mutex, and must not be
    // missed.
    { const std::lock_guard lock(waiters_mutex_); }
    progressed_.notify_all();
}

/// Those who published the event again while the first was being handled.
void Exchange::tell_repeats(const Uuid& id, const HandleResult& result) {
    if (repeats_waiting_.load() == 0) return;
    Ends ends;
    answer_repeats(id, result, ends);
    deliver(ends);
}

void Exchange::answer_repeats(const Uuid& id, const HandleResult& result, Ends& ends) {
    const std::lock_guard lock(repeats_mutex_);
    const auto [begin, end] = repeats_.equal_range(id);
    for (auto at = begin; at != end; ++at) {
        outcomes_[static_cast<std::size_t>(result.outcome)].fetch_add(1);
        ++ends.events;
        repeats_waiting_.fetch_sub(1);
        auto& answer = ends.answers.emplace_back();
        answer.outcome = result.outcome;
        answer.reason.assign(result.reason, 0, kReasonBytesMax);
        // Of a large one each repeat would have a copy.
        if (at->second.wants_response) answer.response = result.response;
        if (at->second.owner != kNobody)
            ends.completions.push_back(
                {at->second.owner, at->second.token, &answer, at->second.bytes});
    }
    repeats_.erase(begin, end);
}

void Exchange::bury(const Task& task, std::string_view reason) {
    const WallTime now = base::wall_now();
    const JointDelivery::Failure failure{.attempts = std::max(task.attempts, 1u),
                                         .first = task.attempts > 1 ? task.first_failed : now,
                                         .last = now};
    if (task.joint) {
        task.joint->note(failure);
    } else {
        bury(task, failure, reason);
    }
}

void Exchange::bury(const Task& task, const JointDelivery::Failure& failure,
                    std::string_view reason) {
    const std::lock_guard lock(dead_mutex_);
    // What does not fit is counted there as dropped.
    (void)dead_letters_.add(task.event, {.reason = reason,
                                         .attempts = failure.attempts,
                                         .first_failed = failure.first,
                                         .last_failed = failure.last});
}

// --- What has its time

/// Under the breaker's lock.
void Exchange::breaker_changed(std::size_t instance, CircuitBreaker::State state, bool admits) {
    states_.set_admitted(instance, admits);
    if (state == CircuitBreaker::State::closed) return;
    const std::lock_guard lock(timer_mutex_);
    poke_timer();
}

/// Under timer_mutex_. The thread begins with the first thing that has a time: most processes never
/// have one.
void Exchange::poke_timer() {
    poked_ = true;
    if (!timer_.joinable()) {
        if (stopping_) return;
        timer_ = std::jthread([this](const std::stop_token& stop) { run_timer(stop); });
    }
    timer_changed_.notify_one();
}

void Exchange::run_timer(const std::stop_token& stop) {
    ::pthread_setname_np(::pthread_self(), "timer");
    const AllocationScope scope(kEndsOwner);
    std::vector<TaskPtr> due;
    while (!stop.stop_requested()) {
        // Without timer_mutex_: a breaker takes it with its own lock held.
        std::optional<TimePoint> wake;
        const TimePoint looked_at = base::monotonic_now();
        for (auto& instance : instances_) {
            if (instance.breaker.state() == CircuitBreaker::State::closed) continue;
            instance.breaker.refresh(looked_at);
            const auto wakes_at = instance.breaker.wakes_at();
            if (wakes_at && (!wake || *wakes_at < *wake)) wake = wakes_at;
        }
        if (const auto next = refresh_checks(looked_at); next && (!wake || *next < *wake))
            wake = next;
        {
            std::unique_lock lock(timer_mutex_);
            if (const auto next = retrying_.next_due(); next && (!wake || *next < *wake))
                wake = next;
            const auto poked = [this] { return poked_; };
            if (!wake) {
                timer_changed_.wait(lock, stop, poked);
            } else if (*wake > looked_at) {
                timer_changed_.wait_for(lock, stop, *wake - looked_at, poked);
            }
            poked_ = false;
            const TimePoint now = base::monotonic_now();
            while (auto task = retrying_.take_due(now)) {
                if ((*task)->scheduled) --scheduled_;
                if (std::exchange((*task)->awaits_breaker, false))
                    --instances_[(*task)->instance].awaiting_breaker;
                due.push_back(std::move(*task));
            }
        }
        for (auto& task : due) {
            if (task->scheduled) {
                begin_scheduled(std::move(task));
            } else {
                hand_over_again(std::move(task));
            }
        }
        due.clear();
    }
}

/// Its time has come: it goes where it would if it came now.
void Exchange::begin_scheduled(TaskPtr task) {
    const EventView view = view_of(task->event);
    Places places;
    auto ends_as = find_places(view, *rules_.table(), places);
    if (!ends_as && task->event.deadline && *task->event.deadline < base::wall_now())
        ends_as = HandleResult{Outcome::expired, {}, std::string(kWaitedOut)};
    if (ends_as) return end(std::move(task), *ends_as);
    const std::size_t copies = places.instances.size();
    if (copies == 0) {
        task->scheduled = false;
        task->instance = places.one;
        return hand_over_or_wait(std::move(task));
    }
    // All copies together, as if it came now: alone they are let in whatever they need.
    release(1, task->bytes);
    if (make_room(copies, copies * task->bytes, view.priority)) {
        task->scheduled = false;
        return take_for_several(std::move(task), places.instances);
    }
    queued_events_.fetch_add(1);
    queued_bytes_.fetch_add(task->bytes);
    {
        const std::lock_guard lock(timer_mutex_);
        if (wait_until(base::monotonic_now() + options_.retry.base, task)) {
            ++scheduled_;
            return;
        }
    }
    HandleResult full{Outcome::rejected, {}, "the queue is full"};
    end(std::move(task), full);
}

void Exchange::end_scheduled() {
    hurried_.store(true);
    std::vector<TaskPtr> tasks;
    {
        const std::lock_guard lock(timer_mutex_);
        retrying_.extract([](const TaskPtr& task) { return task->scheduled; }, tasks);
        scheduled_ -= tasks.size();
    }
    for (TaskPtr& task : tasks) {
        // One for each: who asked for it takes it away.
        HandleResult result{Outcome::rejected, {}, "stopped before its time had come"};
        if (seen_) seen_->forget(task->event.id);
        end(std::move(task), result);
    }
}

void Exchange::hand_over_again(TaskPtr task) {
    // By the rules and the instances of now, unless it is one of several copies.
    if (!task->joint) {
        Places places;
        auto ends_as = find_places(view_of(task->event), *rules_.table(), places);
        // The place of an external service that has gone may be another's by now.
        if (ends_as && services_.is_external(task->instance))
            return end_deserted(std::move(task), std::move(ends_as->reason));
        if (!ends_as && places.instances.empty()) task->instance = places.one;
    }
    hand_over_or_wait(std::move(task));
}

/// To its instance, as soon as that takes it.
void Exchange::hand_over_or_wait(TaskPtr task) {
    const auto handed_over = hand_over(task);
    if (handed_over) return;
    if (handed_over.error().code == Errc::overloaded) {
        // No attempt was made: it waits on, as long as that takes.
        const std::lock_guard lock(timer_mutex_);
        if (wait_until(base::monotonic_now() + options_.retry.base, task)) return;
    } else if (services_.is_external(task->instance) && task->event.deadline &&
               *task->event.deadline < base::wall_now()) {
        HandleResult expired{Outcome::expired, {}, std::string(kWaitedOut)};
        return end(std::move(task), expired);
    } else if (await_breaker(task) || try_again(task)) {
        return;
    }
    HandleResult failed{Outcome::failed, {}, handed_over.error().message};
    if (failed.reason.empty()) failed.reason = "its service's queue is full";
    bury(*task, failed.reason);
    end(std::move(task), failed);
}

}  // namespace crucible::runtime
