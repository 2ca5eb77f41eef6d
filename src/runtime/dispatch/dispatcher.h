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

#include "crucible/coordinator.h"
#include "crucible/error.h"
#include "crucible/service.h"
#include "runtime/dispatch/task.h"
#include "runtime/dispatch/task_pool.h"

namespace crucible::runtime {

struct DispatcherOptions {
    std::uint32_t workers = 2;              ///< threads that run services, at least 1
    std::size_t queue_events_max = 65'536;  ///< accepted and not ended, at least 1
    std::size_t queue_bytes_max =
        256u << 20;  ///< the same in bytes; one event is let in whatever its size
    std::uint32_t batch_max =
        64;  ///< waiting events of one service handed over at once, at least 1
};

/// The end of one submitted event. `result` may be moved from; it is gone after the call.
struct Completion {
    std::uint64_t owner = 0;
    std::uint64_t token = 0;
    HandleResult* result = nullptr;
};

/// Called from the workers, from several at the same time, with all events of one batch.
using CompletionSink = std::function<void(std::span<const Completion>)>;

/// Queues events per service instance and runs the services in its worker threads. Used by both
/// architectures, so that they differ only in where it lives.
/// - One instance is run by one worker at a time; different instances run in parallel.
/// - A worker takes up to batch_max events that wait for one instance, in the order of
/// WaitingEvents, and never waits
///   for more to come. Instances with waiting events take turns, a batch each.
/// - An event whose deadline has passed when it is taken is `expired` and not handed to its
/// service. All members may be called from any thread, except the destructor.
class Dispatcher {
public:
    /// submit()'s `service` for an event that no service fits: it ends as `rejected`.
    static constexpr std::size_t kNoService = static_cast<std::size_t>(-1);

    /// `services` outlive the dispatcher.
    Dispatcher(const DispatcherOptions& options, std::span<const std::unique_ptr<Service>> services,
               CompletionSink sink);
    /// Finishes the batches being run; events that still wait are dropped and get no completion.
    /// drain() first to have them handled.
    ~Dispatcher();

    /// A recycled task to fill and submit; saves a copy where the event is decoded in place.
    TaskPtr acquire() { return pool_.acquire(); }
    /// Gives back a task that was not submitted.
    void recycle(TaskPtr task) noexcept { pool_.recycle({&task, 1}); }

    /// Queues `task` for services[service]. Takes it only on success.
    /// - Errc::overloaded: the queue is full. - Errc::closed: close() was called.
    Result<> submit(std::size_t service, TaskPtr&& task);

    /// The same with a copy of `event`, made only when there is room.
    Result<> submit(std::size_t service, const Event& event, std::uint64_t owner,
                    std::uint64_t token);

    /// Waits until every accepted event has ended and its completion was delivered, at most
    /// `limit`. Events submitted meanwhile count too. - Errc::timeout.
    Result<> drain(Duration limit);

    /// Accepts nothing any more; what was accepted is still handled.
    void close() noexcept { closed_.store(true); }

    /// Consistent at any moment: published = handled + rejected + failed + expired + queued.
    CoordinatorStats stats() const noexcept;

private:
    struct Lane;
    struct Batch;

    Result<> reserve(std::size_t bytes) noexcept;
    void enqueue(std::size_t service, TaskPtr task, std::size_t bytes) noexcept;
    void make_ready(Lane& lane) noexcept;
    void wake_one(std::unique_lock<std::mutex>& lock) noexcept;
    Lane* next_lane(Lane* unfinished) noexcept;
    void work(std::uint32_t number) noexcept;
    bool run_batch(Lane& lane, Batch& batch) noexcept;
    void complete(Batch& batch) noexcept;

    const DispatcherOptions options_;
    const CompletionSink sink_;
    TaskPool pool_;
    std::vector<std::unique_ptr<Lane>> lanes_;  ///< one per service; the last is for kNoService

    // Publishers write the first group for each event, workers the second once for each batch.
    alignas(64) std::atomic<std::size_t> queued_events_ = 0;
    std::atomic<std::size_t> queued_bytes_ = 0;
    std::atomic<std::uint64_t> published_ = 0;
    std::atomic<bool> closed_ = false;
    alignas(64) std::array<std::atomic<std::uint64_t>, 4> outcomes_{};  ///< by Outcome
    std::atomic<std::uint64_t> ended_ = 0;                              ///< completions delivered

    alignas(64) std::mutex ready_mutex_;
    std::condition_variable ready_changed_;
    Lane* first_ready_ = nullptr;
    Lane* last_ready_ = nullptr;
    std::uint32_t sleeping_ = 0;  ///< workers that wait for a lane
    std::uint32_t waking_ = 0;    ///< of those, notified and not yet running
    bool stopping_ = false;

    std::atomic<std::uint32_t> drains_ = 0;
    std::mutex drain_mutex_;
    std::condition_variable drained_;

    std::vector<std::jthread> workers_;
};

}  // namespace crucible::runtime
