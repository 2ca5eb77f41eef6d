#pragma once

#include <array>
#include <cstdint>

#include "runtime/dispatch/task.h"

namespace crucible::runtime {

/// The events that wait for one service instance. Not thread-safe.
///
/// Order: the highest priority first; within a priority the oldest first, so that what one source
/// published stays in order. Nobody starves: an event taken while lower priorities wait passes them
/// over, and a priority passed over kPassesMax times gives the next event (of several such, the
/// highest first). So under any load a waiting priority gets at least one event in every kPassesMax
/// + kPriorityCount - 1.
class WaitingEvents {
public:
    static constexpr std::uint32_t kPassesMax = 32;

    bool empty() const noexcept;
    void push(TaskPtr task) noexcept;
    /// In front of those of its priority: it was taken, and could not be handled.
    void push_front(TaskPtr task) noexcept;
    /// The next in order, or null when empty.
    TaskPtr take() noexcept;
    /// The oldest of the lowest priority that waits, if that is lower than `priority`; else null.
    TaskPtr take_below(Priority priority) noexcept;

private:
    std::size_t next_priority() const noexcept;

    std::array<TaskList, kPriorityCount> lists_;
    std::array<std::uint32_t, kPriorityCount> passed_over_{};
};

}  // namespace crucible::runtime
