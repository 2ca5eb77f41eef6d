#include "runtime/dispatch/dispatcher.h"

#include <pthread.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/assert.h"
#include "base/clock.h"
#include "crucible/allocation.h"
#include "runtime/dispatch/run_service.h"
#include "runtime/dispatch/waiting_events.h"

namespace crucible::runtime {

/// One service instance and what waits for it.
struct alignas(64) Dispatcher::Lane {
    explicit Lane(std::string_view name) noexcept : owner(name) {}

    const AllocationOwner owner;  ///< of what the service allocates
    Service* service = nullptr;   ///< null: external
    Group* group = nullptr;       ///< null: not limited
    std::size_t batch_max = 1;
    std::size_t instance = 0;  ///< its number
    std::mutex mutex;
    WaitingEvents waiting;
    std::atomic<std::size_t> events = 0;  ///< waiting or being handled; changed under the mutex
    /// In the ready list, parked or being run: nobody else may run it. Of an external one: whoever
    /// carries its events knows that some wait.
    bool scheduled = false;
    std::uint64_t check_due = 0;  ///< its number; 0: none
    Lane* next_ready = nullptr;   ///< under ready_mutex_
};

/// A worker's own memory for the events it is handling; reused, so that a batch allocates nothing.
struct Dispatcher::Batch {
    std::vector<TaskPtr> tasks;  ///< those to be handled, then the expired
    std::vector<TaskPtr> expired;
    std::vector<const Event*> events;
    std::vector<HandleResult> results;
};

namespace {

const AllocationOwner kQueueOwner("queue");

void reset(HandleResult& result) {
    constexpr std::size_t kept_bytes_max = 64u << 10;
    result.outcome = Outcome::handled;
    result.reason.clear();
    result.not_now = false;
    result.for_good = false;
    if (result.response.capacity() > kept_bytes_max) {
        result.response = std::string();
    } else {
        result.response.clear();
    }
}

}  // namespace

Dispatcher::Dispatcher(const DispatcherOptions& options,
                       std::span<const std::unique_ptr<Service>> services, AttemptSink sink,
                       std::size_t external, ExternalCall call, CheckSink checked)
    : options_(options),
      sink_(std::move(sink)),
      call_(std::move(call)),
      checked_(std::move(checked)) {
    CRUCIBLE_ASSERT(options.workers >= 1 && options.service_events_max >= 1);
    for (std::size_t category = 0; category < kCategoryCount; ++category)
        groups_[category].limit = options.concurrency[category];
    for (const auto& service : services) {
        auto& lane = *lanes_.emplace_back(std::make_unique<Lane>(service->name()));
        lane.service = service.get();
        lane.instance = lanes_.size() - 1;
        lane.batch_max = options.batch_max > 0 ? options.batch_max
                                               : std::max<std::size_t>(service->batch_max(), 1);
        Group& group = groups_[static_cast<std::size_t>(service->category())];
        if (group.limit > 0) lane.group = &group;
    }
    for (std::size_t i = 0; i < external; ++i) lanes_.emplace_back(std::make_unique<Lane>("queue"));
    for (std::uint32_t number = 0; number < options.workers; ++number) {
        workers_.emplace_back([this, number] { work(number); });
    }
}

Dispatcher::~Dispatcher() {
    {
        const std::lock_guard lock(ready_mutex_);
        stopping_ = true;
    }
    ready_changed_.notify_all();
    workers_.clear();
}

std::size_t Dispatcher::events_of(std::size_t instance) const noexcept {
    return lanes_[instance]->events.load(std::memory_order_relaxed);
}

Result<> Dispatcher::submit(TaskPtr&& task) {
    const std::size_t instance = task->instance;
    CRUCIBLE_ASSERT(instance < lanes_.size());
    Lane& lane = *lanes_[instance];
    {
        const std::lock_guard lock(lane.mutex);
        const std::size_t events = lane.events.load(std::memory_order_relaxed);
        if (events >= options_.service_events_max)
            return std::unexpected(Error{Errc::overloaded, {}});
        const AllocationScope scope(kQueueOwner);
        lane.events.store(events + 1, std::memory_order_relaxed);
        lane.waiting.push(std::move(task));
        if (std::exchange(lane.scheduled, true)) return {};
    }
    if (lane.service != nullptr) {
        make_ready(lane);
    } else {
        call_(instance);
    }
    return {};
}

void Dispatcher::check(std::size_t instance, std::uint64_t number) {
    Lane& lane = *lanes_[instance];
    {
        const std::lock_guard lock(lane.mutex);
        lane.check_due = number;
        if (std::exchange(lane.scheduled, true)) return;
    }
    make_ready(lane);
}

bool Dispatcher::take(std::size_t instance, std::size_t count, std::vector<TaskPtr>& out) {
    Lane& lane = *lanes_[instance];
    const std::lock_guard lock(lane.mutex);
    for (; count > 0; --count) {
        TaskPtr task = lane.waiting.take();
        if (!task) break;
        out.push_back(std::move(task));
    }
    return lane.scheduled = !lane.waiting.empty();
}

void Dispatcher::give_back(std::size_t instance, std::span<TaskPtr> tasks) {
    Lane& lane = *lanes_[instance];
    const std::lock_guard lock(lane.mutex);
    lane.events.store(lane.events.load(std::memory_order_relaxed) + tasks.size(),
                      std::memory_order_relaxed);
    if (lane.waiting.empty()) {
        // All that waited may come back: a long queue is packed again.
        for (TaskPtr& task : tasks) lane.waiting.push(std::move(task));
    } else {
        for (std::size_t i = tasks.size(); i > 0; --i)
            lane.waiting.push_front(std::move(tasks[i - 1]));
    }
    lane.scheduled = !lane.waiting.empty();
}

void Dispatcher::finish(std::size_t instance, std::size_t count) noexcept {
    Lane& lane = *lanes_[instance];
    const std::lock_guard lock(lane.mutex);
    lane.events.store(lane.events.load(std::memory_order_relaxed) - count,
                      std::memory_order_relaxed);
}

TaskPtr Dispatcher::take_below(Priority priority, std::size_t instance) noexcept {
    Lane& lane = *lanes_[instance];
    const std::lock_guard lock(lane.mutex);
    TaskPtr task = lane.waiting.take_below(priority);
    if (task) {
        lane.events.store(lane.events.load(std::memory_order_relaxed) - 1,
                          std::memory_order_relaxed);
    }
    return task;
}

TaskPtr Dispatcher::take_below(Priority priority) noexcept {
    const std::size_t count = lanes_.size();
    const std::size_t turn = turn_.load(std::memory_order_relaxed);
    // From the lowest priority up: all that is above a level is left alone.
    for (std::size_t level = kPriorityCount - 1; level > static_cast<std::size_t>(priority);
         --level) {
        const auto above = static_cast<Priority>(level - 1);
        for (std::size_t i = 0; i < count; ++i) {
            if (TaskPtr task = take_below(above, (turn + i) % count)) {
                turn_.store((turn + i + 1) % count, std::memory_order_relaxed);
                return task;
            }
        }
    }
    return nullptr;
}

void Dispatcher::append_ready(Lane& lane) noexcept {
    lane.next_ready = nullptr;
    (last_ready_ != nullptr ? last_ready_->next_ready : first_ready_) = &lane;
    last_ready_ = &lane;
}

void Dispatcher::make_ready(Lane& lane) noexcept {
    std::unique_lock lock(ready_mutex_);
    append_ready(lane);
    wake_one(lock);
}

/// Puts `lane` aside when as many of its category run as may; true then.
bool Dispatcher::park(Lane& lane) noexcept {
    Group* group = lane.group;
    if (group == nullptr) return false;
    if (group->running < group->limit) {
        ++group->running;
        return false;
    }
    lane.next_ready = nullptr;
    (group->last_parked != nullptr ? group->last_parked->next_ready : group->first_parked) = &lane;
    group->last_parked = &lane;
    return true;
}

/// One of `group` has stopped running: the one that was parked first becomes ready.
void Dispatcher::unpark(Group& group) noexcept {
    --group.running;
    Lane* lane = group.first_parked;
    if (lane == nullptr) return;
    group.first_parked = lane->next_ready;
    if (group.first_parked == nullptr) group.last_parked = nullptr;
    append_ready(*lane);
}

/// Wakes a worker unless all are awake or already on their way: a wake-up costs microseconds, a
/// batch often less.
void Dispatcher::wake_one(std::unique_lock<std::mutex>& lock) noexcept {
    const bool wake = sleeping_ > waking_;
    if (wake) ++waking_;
    lock.unlock();
    if (wake) ready_changed_.notify_one();
}

/// The lane to run next, or null when the dispatcher stops. `ran`, when given, has just been run:
/// with `more` it goes to the end of the line first, so that lanes take turns.
Dispatcher::Lane* Dispatcher::next_lane(Lane* ran, bool more) noexcept {
    std::unique_lock lock(ready_mutex_);
    if (stopping_) return nullptr;
    if (ran != nullptr && ran->group != nullptr) unpark(*ran->group);
    if (more) {
        if (first_ready_ == nullptr && !park(*ran)) return ran;
        if (first_ready_ != nullptr) append_ready(*ran);
    }
    for (;;) {
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
        if (first_ready_ == nullptr) last_ready_ = nullptr;
        if (park(*lane)) continue;
        if (first_ready_ != nullptr) wake_one(lock);
        return lane;
    }
}

void Dispatcher::work(std::uint32_t number) noexcept {
    ::pthread_setname_np(::pthread_self(), ("worker-" + std::to_string(number)).c_str());
    const AllocationScope scope(kQueueOwner);
    Batch batch;
    Lane* lane = next_lane(nullptr, false);
    while (lane != nullptr) {
        const bool more = run_batch(number, *lane, batch);
        lane = next_lane(lane, more);
    }
}

/// Handles one batch of `lane`; true when more events wait there (it is then still ours to put
/// back).
bool Dispatcher::run_batch(std::uint32_t worker, Lane& lane, Batch& batch) noexcept {
    std::uint64_t check = 0;
    {
        const std::lock_guard lock(lane.mutex);
        while (batch.tasks.size() < lane.batch_max) {
            TaskPtr task = lane.waiting.take();
            if (!task) break;
            batch.tasks.push_back(std::move(task));
        }
        check = std::exchange(lane.check_due, 0);
        if (batch.tasks.empty() && check == 0) {  // take_below() had them all
            lane.scheduled = false;
            return false;
        }
    }
    if (check != 0) checked_(lane.instance, check, check_service(*lane.service));
    if (!batch.tasks.empty()) handle(worker, lane, batch);
    const std::lock_guard lock(lane.mutex);
    return lane.scheduled = !lane.waiting.empty() || lane.check_due != 0;
}

/// Hands the service what was taken for it, and says how that ended.
void Dispatcher::handle(std::uint32_t worker, Lane& lane, Batch& batch) noexcept {
    const std::size_t taken = batch.tasks.size();
    const bool deadlines = std::ranges::any_of(
        batch.tasks, [](const TaskPtr& task) { return task->event.deadline.has_value(); });
    if (deadlines) {
        const WallTime now = base::wall_now();
        for (auto& task : batch.tasks) {
            if (!task->event.deadline || *task->event.deadline >= now) continue;
            task->waited_out = true;
            batch.expired.push_back(std::move(task));
        }
        std::erase(batch.tasks, nullptr);
    }
    const std::size_t live = batch.tasks.size();
    if (batch.results.size() < taken) batch.results.resize(taken);
    const std::span results(batch.results.data(), taken);
    for (auto& result : results) reset(result);
    if (live > 0) {
        for (const auto& task : batch.tasks) batch.events.push_back(&task->event);
        const AllocationScope scope(lane.owner);
        run_service(*lane.service, batch.events, results.first(live));
    }
    for (auto& task : batch.expired) {
        results[batch.tasks.size()].outcome = Outcome::expired;
        results[batch.tasks.size()].reason = "its deadline passed while it waited";
        batch.tasks.push_back(std::move(task));
    }
    // Its place in the lane is free before anybody hears of its end.
    {
        const std::lock_guard lock(lane.mutex);
        lane.events.store(lane.events.load(std::memory_order_relaxed) - taken,
                          std::memory_order_relaxed);
    }
    sink_(worker, batch.tasks, results);
    batch.tasks.clear();
    batch.expired.clear();
    batch.events.clear();
}

}  // namespace crucible::runtime
