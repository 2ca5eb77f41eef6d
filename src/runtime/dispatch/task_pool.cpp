#include "runtime/dispatch/task_pool.h"

#include <utility>

namespace crucible::runtime {

// Room for every kept task from the start: recycle() runs in workers and may not fail.
TaskPool::TaskPool() {
    kept_.reserve(kTasksMax);
}

TaskPtr TaskPool::acquire() {
    {
        const std::lock_guard lock(mutex_);
        if (!kept_.empty()) {
            TaskPtr task = std::move(kept_.back());
            kept_.pop_back();
            kept_bytes_ -= task->event.payload.capacity();
            return task;
        }
    }
    return std::make_unique<Task>();
}

void TaskPool::recycle(std::span<TaskPtr> tasks) noexcept {
    {
        const std::lock_guard lock(mutex_);
        for (auto& task : tasks) {
            const std::size_t bytes = task->event.payload.capacity();
            if (bytes > kPayloadBytesMax || kept_.size() == kTasksMax ||
                kept_bytes_ + bytes > kBytesMax)
                continue;
            kept_bytes_ += bytes;
            kept_.push_back(std::move(task));
        }
    }
    // Freed outside the lock, which publishers take for every event.
    for (auto& task : tasks) task.reset();
}

std::size_t TaskPool::size() const {
    const std::lock_guard lock(mutex_);
    return kept_.size();
}

}  // namespace crucible::runtime
