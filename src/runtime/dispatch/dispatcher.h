#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "crucible/error.h"
#include "crucible/service.h"
#include "runtime/dispatch/task.h"

namespace crucible::runtime {

struct DispatcherOptions {
    std::uint32_t workers = 2;  ///< threads that run services, at least 1
    /// Waiting events of one service handed over at once, at most; 0: Service::batch_max().
    std::uint32_t batch_max = 0;
    std::size_t service_events_max = 65'536;  ///< given to one instance and not ended, at least 1
    /// Instances of a category that run at the same time, at most; 0: as many as there are
    /// workers. Instances that share a resource would else occupy all workers waiting for it.
    std::array<std::uint32_t, kCategoryCount> concurrency{};
};

/// Called from worker number `worker` (0 and up), from several at the same time, with all events of
/// one batch and how the attempt ended. Tasks may be moved from; those that stay are destroyed.
using AttemptSink = std::function<void(std::uint32_t worker, std::span<TaskPtr> tasks,
                                       std::span<HandleResult> results)>;

/// Called from a worker with what Service::check() of that instance said, and the number of the
/// check.
using CheckSink =
    std::function<void(std::size_t instance, std::uint64_t number, CheckResult result)>;

/// Called when events wait for an external instance again, after take() left none there; from any
/// thread. It may not call the dispatcher.
using ExternalCall = std::function<void(std::size_t instance)>;

/// Queues events per service instance and runs the services in its worker threads.
/// - One instance is run by one worker at a time; different instances run in parallel, as far as
/// the concurrency of their category allows.
/// - A worker takes up to a batch of events that wait for one instance, in the order of
/// WaitingEvents, and never waits for more to come. Instances with waiting events take turns, a
/// batch each.
/// - An event whose deadline has passed when it is taken is `expired` and not handed to its
/// service.
/// - External instances are handled outside this process: no worker runs them. Whoever carries
/// their events there takes them, and says when they have ended.
/// All members may be called from any thread, except the destructor. It trusts its caller with the
/// limits of all instances together (Exchange).
class Dispatcher {
public:
    /// `services` outlive the dispatcher. Behind them come `external` external instances.
    Dispatcher(const DispatcherOptions& options, std::span<const std::unique_ptr<Service>> services,
               AttemptSink sink, std::size_t external = 0, ExternalCall call = {},
               CheckSink checked = {});
    /// Finishes the batches being run; events that still wait are dropped.
    ~Dispatcher();

    /// Queues `task` for the instance `task->instance`. Takes it only on success.
    /// - Errc::overloaded: the instance has service_events_max; without a message.
    Result<> submit(TaskPtr&& task);

    /// Takes out a waiting event of a lower priority than `priority`, the lowest there is, the
    /// oldest of its instance; null when there is none. Instances are looked at in turn.
    TaskPtr take_below(Priority priority) noexcept;
    /// The same of one instance.
    TaskPtr take_below(Priority priority, std::size_t instance) noexcept;

    /// Has that service checked by the next worker that comes to it, before its next batch: so late
    /// as an event of the highest priority would be taken. `number`: not 0; the last one asked for
    /// is answered.
    void check(std::size_t instance, std::uint64_t number);

    // Of an external instance; by one thread for each.
    /// Moves up to `count` of its waiting events to the end of `out`, in the order of
    /// WaitingEvents; they stay given to it until finish(). True when more wait. When none do,
    /// ExternalCall is called with the next that comes.
    bool take(std::size_t instance, std::size_t count, std::vector<TaskPtr>& out);
    /// Gives it events that it had before: they come in front of those that wait, in their order.
    void give_back(std::size_t instance, std::span<TaskPtr> tasks);
    /// So many that take() gave are no longer given to it.
    void finish(std::size_t instance, std::size_t count) noexcept;

    /// Given to that instance and not ended yet.
    std::size_t events_of(std::size_t instance) const noexcept;

private:
    struct Lane;
    struct Batch;
    /// The lanes of one category, when their number running is limited.
    struct Group {
        std::uint32_t limit = 0;
        std::uint32_t running = 0;
        Lane* first_parked = nullptr;  ///< ready, but for the limit
        Lane* last_parked = nullptr;
    };

    void make_ready(Lane& lane) noexcept;
    void append_ready(Lane& lane) noexcept;
    bool park(Lane& lane) noexcept;
    void unpark(Group& group) noexcept;
    void wake_one(std::unique_lock<std::mutex>& lock) noexcept;
    Lane* next_lane(Lane* ran, bool more) noexcept;
    void work(std::uint32_t number) noexcept;
    void handle(std::uint32_t worker, Lane& lane, Batch& batch) noexcept;
    bool run_batch(std::uint32_t worker, Lane& lane, Batch& batch) noexcept;

    const DispatcherOptions options_;
    const AttemptSink sink_;
    const ExternalCall call_;
    const CheckSink checked_;
    std::vector<std::unique_ptr<Lane>> lanes_;  ///< one per instance
    std::atomic<std::size_t> turn_ = 0;         ///< of take_below()

    alignas(64) std::mutex ready_mutex_;
    std::condition_variable ready_changed_;
    Lane* first_ready_ = nullptr;
    Lane* last_ready_ = nullptr;
    std::array<Group, kCategoryCount> groups_;
    std::uint32_t sleeping_ = 0;  ///< workers that wait for a lane
    std::uint32_t waking_ = 0;    ///< of those, notified and not yet running
    bool stopping_ = false;

    std::vector<std::jthread> workers_;
};

}  // namespace crucible::runtime
