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

/// Queues events per service instance and runs the services in its worker threads.
/// - One instance is run by one worker at a time; different instances run in parallel, as far as
/// the concurrency of their category allows.
/// - A worker takes up to a batch of events that wait for one instance, in the order of
/// WaitingEvents, and never waits for more to come. Instances with waiting events take turns, a
/// batch each.
/// - An event whose deadline has passed when it is taken is `expired` and not handed to its
/// service.
/// All members may be called from any thread, except the destructor. It trusts its caller with the
/// limits of all instances together (Exchange).
class Dispatcher {
public:
    /// `services` outlive the dispatcher.
    Dispatcher(const DispatcherOptions& options, std::span<const std::unique_ptr<Service>> services,
               AttemptSink sink);
    /// Finishes the batches being run; events that still wait are dropped.
    ~Dispatcher();

    /// Queues `task` for services[task->instance]. Takes it only on success.
    /// - Errc::overloaded: the instance has service_events_max; without a message.
    Result<> submit(TaskPtr&& task);

    /// Takes out a waiting event of a lower priority than `priority`, the lowest there is, the
    /// oldest of its instance; null when there is none. Instances are looked at in turn.
    TaskPtr take_below(Priority priority) noexcept;
    /// The same of one instance.
    TaskPtr take_below(Priority priority, std::size_t instance) noexcept;

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
    bool run_batch(std::uint32_t worker, Lane& lane, Batch& batch) noexcept;

    const DispatcherOptions options_;
    const AttemptSink sink_;
    std::vector<std::unique_ptr<Lane>> lanes_;  ///< one per service
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
