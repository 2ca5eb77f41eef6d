#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "runtime/dispatch/packed_tasks.h"
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
    /// Of one priority, those that come while as many wait are packed until their turn comes: a
    /// long queue takes less memory, a short one does not pay for it.
    static constexpr std::size_t kUnpackedMax = 16'384;

    bool empty() const noexcept;
    void push(TaskPtr task) noexcept;
    /// In front of those of its priority: it was taken, and could not be handled.
    void push_front(TaskPtr task) noexcept;
    /// The next in order, or null when empty.
    TaskPtr take() noexcept;
    /// The oldest of the lowest priority that waits, if that is lower than `priority`; else null.
    TaskPtr take_below(Priority priority) noexcept;

private:
    /// The events of one priority: first those of `next`, then those of `later`.
    struct Line {
        TaskList next;
        std::size_t next_count = 0;
        PackedTasks later;

        bool empty() const noexcept { return next.empty() && later.empty(); }
        TaskPtr pop_front() noexcept;
    };
    std::size_t next_priority() const noexcept;

    std::array<Line, kPriorityCount> lines_;
    std::array<std::uint32_t, kPriorityCount> passed_over_{};
};

}  // namespace crucible::runtime
