#include "runtime/dispatch/dispatcher.h"

#include <pthread.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/assert.h"
#include "base/clock.h"
#include "runtime/dispatch/run_service.h"
#include "runtime/dispatch/waiting_events.h"

namespace crucible::runtime {

/// One service instance and what waits for it.
struct alignas(64) Dispatcher::Lane {
    Service* service = nullptr;  ///< null: its events are rejected
    std::mutex mutex;
    WaitingEvents waiting;
    bool scheduled = false;      ///< in the ready list or being run: nobody else may run it
    Lane* next_ready = nullptr;  ///< under ready_mutex_
};

/// A worker's own memory for the events it is handling; reused, so that a batch allocates nothing.
struct Dispatcher::Batch {
    explicit Batch(std::size_t size_max) : results(size_max) {
        tasks.reserve(size_max);
        expired.reserve(size_max);
        events.reserve(size_max);
        completions.reserve(size_max);
    }
    std::vector<TaskPtr> tasks;  ///< those to be handled, then the expired
    std::vector<TaskPtr> expired;
    std::vector<const Event*> events;
    std::vector<HandleResult> results;
    std::vector<Completion> completions;
};

namespace {

void reset(HandleResult& result) {
    constexpr std::size_t kept_bytes_max = 64u << 10;
    result.outcome = Outcome::handled;
    result.reason.clear();
    if (result.response.capacity() > kept_bytes_max) {
        result.response = std::string();
    } else {
        result.response.clear();
    }
}

}  // namespace

Dispatcher::Dispatcher(const DispatcherOptions& options,
                       std::span<const std::unique_ptr<Service>> services, CompletionSink sink)
    : options_(options), sink_(std::move(sink)) {
    CRUCIBLE_ASSERT(options.workers >= 1 && options.batch_max >= 1 &&
                    options.queue_events_max >= 1);
    for (const auto& service : services) {
        lanes_.push_back(std::make_unique<Lane>());
        lanes_.back()->service = service.get();
    }
    lanes_.push_back(std::make_unique<Lane>());
    for (std::uint32_t number = 0; number < options.workers; ++number) {
        workers_.emplace_back([this, number] { work(number); });
    }
}

Dispatcher::~Dispatcher() {
    close();
    {
        const std::lock_guard lock(ready_mutex_);
        stopping_ = true;
    }
    ready_changed_.notify_all();
    workers_.clear();
}

Result<> Dispatcher::reserve(std::size_t bytes) noexcept {
    if (closed_.load()) return std::unexpected(Error{Errc::closed, {}});
    if (queued_events_.fetch_add(1) >= options_.queue_events_max) {
        queued_events_.fetch_sub(1);
        return std::unexpected(Error{Errc::overloaded, {}});
    }
    const std::size_t before = queued_bytes_.fetch_add(bytes);
    if (before > 0 && before + bytes > options_.queue_bytes_max) {
        queued_bytes_.fetch_sub(bytes);
        queued_events_.fetch_sub(1);
        return std::unexpected(Error{Errc::overloaded, {}});
    }
    published_.fetch_add(1);
    return {};
}

Result<> Dispatcher::submit(std::size_t service, TaskPtr&& task) {
    const std::size_t bytes = event_bytes(task->event);
    if (auto room = reserve(bytes); !room) return room;
    enqueue(service, std::move(task), bytes);
    return {};
}

Result<> Dispatcher::submit(std::size_t service, const Event& event, std::uint64_t owner,
                            std::uint64_t token) {
    const std::size_t bytes = event_bytes(event);
    if (auto room = reserve(bytes); !room) return room;
    TaskPtr task = pool_.acquire();
    task->event = event;
    task->owner = owner;
    task->token = token;
    enqueue(service, std::move(task), bytes);
    return {};
}

void Dispatcher::enqueue(std::size_t service, TaskPtr task, std::size_t bytes) noexcept {
    CRUCIBLE_ASSERT(service == kNoService || service + 1 < lanes_.size());
    Lane& lane = service == kNoService ? *lanes_.back() : *lanes_[service];
    task->bytes = bytes;
    {
        const std::lock_guard lock(lane.mutex);
        lane.waiting.push(std::move(task));
        if (std::exchange(lane.scheduled, true)) return;
    }
    make_ready(lane);
}

void Dispatcher::make_ready(Lane& lane) noexcept {
    std::unique_lock lock(ready_mutex_);
    lane.next_ready = nullptr;
    (last_ready_ != nullptr ? last_ready_->next_ready : first_ready_) = &lane;
    last_ready_ = &lane;
    wake_one(lock);
}

/// Wakes a worker unless all are awake or already on their way: a wake-up costs microseconds, a
/// batch often less.
void Dispatcher::wake_one(std::unique_lock<std::mutex>& lock) noexcept {
    const bool wake = sleeping_ > waking_;
    if (wake) ++waking_;
    lock.unlock();
    if (wake) ready_changed_.notify_one();
}

/// The lane to run next, or null when the dispatcher stops. `unfinished`, when given, goes to the
/// end of the line first, so that lanes take turns.
Dispatcher::Lane* Dispatcher::next_lane(Lane* unfinished) noexcept {
    std::unique_lock lock(ready_mutex_);
    if (stopping_) return nullptr;
    if (unfinished != nullptr) {
        if (first_ready_ == nullptr) return unfinished;
        unfinished->next_ready = nullptr;
        last_ready_ = last_ready_->next_ready = unfinished;
    }
    while (first_ready_ == nullptr) {
        if (stopping_) return nullptr;
        ++sleeping_;
        ready_changed_.wait(lock);
        --sleeping_;
        if (waking_ > 0) --waking_;
    }
    if (stopping_) return nullptr;
    Lane* lane = first_ready_;
    first_ready_ = lane->next_ready;
    if (first_ready_ == nullptr) {
        last_ready_ = nullptr;
    } else {
        wake_one(lock);
    }
    return lane;
}

void Dispatcher::work(std::uint32_t number) noexcept {
    ::pthread_setname_np(::pthread_self(), ("worker-" + std::to_string(number)).c_str());
    Batch batch(options_.batch_max);
    Lane* lane = next_lane(nullptr);
    while (lane != nullptr) {
        const bool more = run_batch(*lane, batch);
        lane = next_lane(more ? lane : nullptr);
    }
}

/// Handles one batch of `lane`; true when more events wait there (it is then still ours to put
/// back).
bool Dispatcher::run_batch(Lane& lane, Batch& batch) noexcept {
    {
        const std::lock_guard lock(lane.mutex);
        while (batch.tasks.size() < options_.batch_max) {
            TaskPtr task = lane.waiting.take();
            if (!task) break;
            batch.tasks.push_back(std::move(task));
        }
    }
    const bool deadlines = std::ranges::any_of(
        batch.tasks, [](const TaskPtr& task) { return task->event.deadline.has_value(); });
    if (deadlines) {
        const WallTime now = base::wall_now();
        for (auto& task : batch.tasks) {
            if (task->event.deadline && *task->event.deadline < now)
                batch.expired.push_back(std::move(task));
        }
        std::erase(batch.tasks, nullptr);
    }
    const std::size_t live = batch.tasks.size();
    const std::span results(batch.results.data(), live + batch.expired.size());
    for (auto& result : results) reset(result);
    if (lane.service == nullptr) {
        for (auto& result : results.first(live)) {
            result.outcome = Outcome::rejected;
            result.reason = "no service for this event";
        }
    } else if (live > 0) {
        for (const auto& task : batch.tasks) batch.events.push_back(&task->event);
        run_service(*lane.service, batch.events, results.first(live));
    }
    for (auto& task : batch.expired) {
        results[batch.tasks.size()].outcome = Outcome::expired;
        results[batch.tasks.size()].reason = "its deadline passed while it waited";
        batch.tasks.push_back(std::move(task));
    }
    complete(batch);

    const std::lock_guard lock(lane.mutex);
    lane.scheduled = !lane.waiting.empty();
    return lane.scheduled;
}

void Dispatcher::complete(Batch& batch) noexcept {
    std::array<std::uint64_t, 4> counts{};
    std::size_t bytes = 0;
    const std::size_t count = batch.tasks.size();
    for (std::size_t i = 0; i < count; ++i) {
        const Task& task = *batch.tasks[i];
        ++counts[static_cast<std::size_t>(batch.results[i].outcome)];
        bytes += task.bytes;
        batch.completions.push_back({task.owner, task.token, &batch.results[i]});
    }
    for (std::size_t outcome = 0; outcome < counts.size(); ++outcome) {
        if (counts[outcome] > 0) outcomes_[outcome].fetch_add(counts[outcome]);
    }
    // Room is made before the completions go out: a publisher that waits for one finds a place when
    // it has it.
    queued_bytes_.fetch_sub(bytes);
    queued_events_.fetch_sub(count);
    pool_.recycle(batch.tasks);
    batch.tasks.clear();
    batch.expired.clear();
    batch.events.clear();
    sink_(batch.completions);
    batch.completions.clear();
    ended_.fetch_add(count);
    if (drains_.load() > 0) {
        // Empty on purpose: whoever is between its check and its wait holds the mutex, and must not
        // be missed.
        { const std::lock_guard lock(drain_mutex_); }
        drained_.notify_all();
    }
}

Result<> Dispatcher::drain(Duration limit) {
    drains_.fetch_add(1);
    std::unique_lock lock(drain_mutex_);
    // Bounded, so that adding Duration::max() to the clock's time cannot overflow.
    const Duration wait = std::min<Duration>(limit, std::chrono::hours(24 * 365));
    const bool done =
        drained_.wait_for(lock, wait, [this] { return ended_.load() == published_.load(); });
    drains_.fetch_sub(1);
    if (!done) return std::unexpected(Error{Errc::timeout, {}});
    return {};
}

CoordinatorStats Dispatcher::stats() const noexcept {
    CoordinatorStats stats;
    // Ended before published: an event that ends in between is then counted as queued, never below
    // zero.
    stats.handled = outcomes_[static_cast<std::size_t>(Outcome::handled)].load();
    stats.rejected = outcomes_[static_cast<std::size_t>(Outcome::rejected)].load();
    stats.failed = outcomes_[static_cast<std::size_t>(Outcome::failed)].load();
    stats.expired = outcomes_[static_cast<std::size_t>(Outcome::expired)].load();
    stats.published = published_.load();
    stats.queued = stats.published - stats.handled - stats.rejected - stats.failed - stats.expired;
    return stats;
}

}  // namespace crucible::runtime
