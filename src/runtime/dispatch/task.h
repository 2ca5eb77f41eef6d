#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "crucible/event.h"

namespace crucible::runtime {

/// One accepted event and whom to tell about its end.
struct Task {
    Event event;
    std::uint64_t owner =
        0;  ///< opaque: whoever submitted it (a session of the daemon, a pending request)
    std::uint64_t token = 0;  ///< opaque: the owner's name for it

    std::size_t bytes = 0;  ///< what it counts for in the queue; set by the dispatcher
    Task* next = nullptr;   ///< the list it is in; owned by that list
};
using TaskPtr = std::unique_ptr<Task>;

/// What `event` counts for in queue limits: its variable parts and its own size, in bytes.
std::size_t event_bytes(const Event& event) noexcept;

/// A first-in first-out list through Task::next: no allocation per entry. Owns its tasks. Not
/// thread-safe.
class TaskList {
public:
    TaskList() = default;
    TaskList(TaskList&& other) noexcept;
    TaskList& operator=(TaskList&& other) noexcept;
    ~TaskList();

    bool empty() const noexcept { return first_ == nullptr; }
    void push_back(TaskPtr task) noexcept;
    /// The oldest, or null when empty.
    TaskPtr pop_front() noexcept;

private:
    Task* first_ = nullptr;
    Task* last_ = nullptr;
};

}  // namespace crucible::runtime
