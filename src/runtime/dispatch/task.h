#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "crucible/event.h"
#include "crucible/time.h"
#include "runtime/event/event_view.h"
#include "runtime/route/circuit_breaker.h"

namespace crucible::runtime {

struct JointDelivery;

/// One accepted event on its way to one instance, and whom to tell about its end.
struct Task {
    Event event;
    std::uint64_t owner =
        0;  ///< opaque: whoever submitted it (a session of the daemon, a pending request)
    std::uint64_t token = 0;  ///< opaque: the owner's name for it

    // The exchange's (exchange.h):
    std::size_t bytes = 0;                 ///< what it counts for in the queue
    std::size_t instance = 0;              ///< index of the service that has it, or shall have it
    std::uint32_t attempts = 0;            ///< that have failed
    WallTime first_failed{};               ///< when there are such
    CircuitBreaker::Permit permit;         ///< of the instance's breaker
    bool scheduled = false;                ///< waits until its event's time comes
    bool awaits_breaker = false;           ///< of its instance, outside the instance's lane
    bool being_retried = false;            ///< counted as Exchange::being_retried_
    bool waited_out = false;               ///< its deadline passed before anybody was given it
    std::shared_ptr<JointDelivery> joint;  ///< null unless the event goes to several instances

    Task* next = nullptr;  ///< the list it is in; owned by that list
};
using TaskPtr = std::unique_ptr<Task>;

/// What `event` counts for in queue limits: its variable parts and its own size, in bytes.
std::size_t event_bytes(const Event& event) noexcept;
/// The same where it is not decoded yet; its content type counts for nothing then.
std::size_t event_bytes(const EventView& event) noexcept;

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
    void push_front(TaskPtr task) noexcept;
    /// The oldest, or null when empty.
    TaskPtr pop_front() noexcept;

private:
    Task* first_ = nullptr;
    Task* last_ = nullptr;
};

}  // namespace crucible::runtime
