// Exchange: instances outside this process, to which somebody else carries the events.
#include <algorithm>
#include <limits>
#include <utility>

#include "base/assert.h"
#include "base/clock.h"
#include "runtime/dispatch/exchange.h"

namespace crucible::runtime {

bool Exchange::take_waiting(std::size_t instance, std::size_t count, std::vector<TaskPtr>& out) {
    const std::size_t had = out.size();
    const bool more = dispatcher_->take(instance, count, out);
    std::vector<TaskPtr> expired;
    for (std::size_t i = had; i < out.size(); ++i) {
        const auto& deadline = out[i]->event.deadline;
        if (!deadline || *deadline >= base::wall_now()) continue;
        out[i]->waited_out = true;
        expired.push_back(std::move(out[i]));
    }
    if (expired.empty()) return more;
    std::erase(out, nullptr);
    std::vector<HandleResult> results(expired.size());
    for (auto& result : results) {
        result.outcome = Outcome::expired;
        result.reason = "its deadline passed while it waited";
    }
    attempted(expired, results);
    return more;
}

void Exchange::attempted(std::span<TaskPtr> tasks, std::span<HandleResult> results) {
    if (tasks.empty()) return;
    dispatcher_->finish(tasks.front()->instance, tasks.size());
    after_attempts(external_ends_, tasks, results);
}

void Exchange::lose(std::size_t instance, std::vector<TaskPtr> unanswered) {
    Instance& lost = instances_[instance];
    lost.handed_over.fetch_add(unanswered.size(), std::memory_order_relaxed);
    lost.failed.fetch_add(unanswered.size(), std::memory_order_relaxed);
    dispatcher_->finish(instance, unanswered.size());
    const TimePoint now = base::monotonic_now();
    bool counted = false;
    for (TaskPtr& task : unanswered) {
        states_.end(instance);
        // It died once, however much it had in its hands.
        if (std::exchange(counted, true)) {
            lost.breaker.abandoned(task->permit);
        } else {
            lost.breaker.failed(task->permit, now);
        }
        count_attempt(*task);
        if (task->attempts < options_.retry.attempts_max) {
            ++task->event.attempt;
            retries_.fetch_add(1, std::memory_order_relaxed);
            continue;
        }
        HandleResult failed{Outcome::failed, {}, "its service went away while it had it"};
        bury(*task, failed.reason);
        end(std::move(task), failed);
    }
    std::erase(unanswered, nullptr);
    const std::size_t again = unanswered.size();
    dispatcher_->take(instance, std::numeric_limits<std::size_t>::max(), unanswered);
    dispatcher_->finish(instance, unanswered.size() - again);
    for (std::size_t i = again; i < unanswered.size(); ++i) {
        states_.end(instance);
        lost.breaker.abandoned(unanswered[i]->permit);
    }
    hand_out(instance, unanswered);
}

void Exchange::reassign(std::size_t instance) {
    lose(instance, {});
}

/// Hands tasks that are given to nobody now, and were `instance`'s, to whom they belong now.
void Exchange::hand_out(std::size_t instance, std::span<TaskPtr> tasks) {
    const bool taken = services_.external().taken(instance - services_.services().size());
    std::vector<TaskPtr> staying;
    for (TaskPtr& task : tasks) {
        std::string nowhere;
        if (!task->joint) {
            Places places;
            auto ends_as = find_places(view_of(task->event), *rules_.table(), places);
            if (ends_as) {
                nowhere = std::move(ends_as->reason);
            } else if (places.instances.empty()) {
                task->instance = places.one;
            }
        }
        if (task->instance != instance) {
            hand_over_or_wait(std::move(task));
        } else if (taken) {
            states_.begin(instance);
            // A circuit breaker keeps new events away. This one was let through before: with a
            // permit of then it says nothing of now.
            const auto permit = instances_[instance].breaker.admit(base::monotonic_now());
            task->permit = permit ? *permit : CircuitBreaker::Permit{};
            staying.push_back(std::move(task));
        } else {
            end_deserted(std::move(task),
                         nowhere.empty() ? "its service is not connected" : std::move(nowhere));
        }
    }
    if (!staying.empty()) dispatcher_->give_back(instance, staying);
}

/// Ends a task that nobody is there for. What a service may have handled already is no rejection.
void Exchange::end_deserted(TaskPtr task, std::string reason) {
    const bool given = task->event.attempt > 1;
    HandleResult result{given ? Outcome::failed : Outcome::rejected, {}, std::move(reason)};
    if (given) {
        bury(*task, result.reason);
    } else if (seen_ && !task->joint) {
        seen_->forget(task->event.id);  // published again it is no repeat: nobody had it
    }
    end(std::move(task), result);
}

}  // namespace crucible::runtime
