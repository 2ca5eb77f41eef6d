#pragma once

#include <cstddef>
#include <mutex>
#include <span>
#include <vector>

#include "runtime/dispatch/task.h"

namespace crucible::runtime {

/// Used tasks kept for the next events, so that a steady stream allocates nothing: a task keeps the
/// memory of its strings. Bounded, so that one burst or one huge event does not stay in memory for
/// good. Thread-safe.
class TaskPool {
public:
    static constexpr std::size_t kTasksMax = 4096;      ///< kept, at most
    static constexpr std::size_t kBytesMax = 8u << 20;  ///< of payload memory kept in all, at most
    static constexpr std::size_t kPayloadBytesMax =
        64u << 10;  ///< of payload memory kept in one task, at most

    TaskPool();

    /// A task whose event has arbitrary content: assign every field.
    TaskPtr acquire();

    /// Takes `tasks` back; every one is null afterwards.
    void recycle(std::span<TaskPtr> tasks) noexcept;

    /// Tasks kept now.
    std::size_t size() const;

private:
    mutable std::mutex mutex_;
    std::vector<TaskPtr> kept_;
    std::size_t kept_bytes_ = 0;
};

}  // namespace crucible::runtime
