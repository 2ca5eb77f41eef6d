#include "runtime/dispatch/waiting_events.h"

#include <algorithm>
#include <utility>

namespace crucible::runtime {

bool WaitingEvents::empty() const noexcept {
    return std::ranges::all_of(lists_, [](const TaskList& list) { return list.empty(); });
}

void WaitingEvents::push(TaskPtr task) noexcept {
    const auto priority = static_cast<std::size_t>(task->event.priority);
    lists_[priority].push_back(std::move(task));
}

void WaitingEvents::push_front(TaskPtr task) noexcept {
    const auto priority = static_cast<std::size_t>(task->event.priority);
    lists_[priority].push_front(std::move(task));
}

std::size_t WaitingEvents::next_priority() const noexcept {
    for (std::size_t priority = 0; priority < kPriorityCount; ++priority) {
        if (passed_over_[priority] >= kPassesMax && !lists_[priority].empty()) return priority;
    }
    std::size_t priority = 0;
    while (priority < kPriorityCount && lists_[priority].empty()) ++priority;
    return priority;
}

TaskPtr WaitingEvents::take() noexcept {
    const std::size_t chosen = next_priority();
    if (chosen == kPriorityCount) return nullptr;
    passed_over_[chosen] = 0;
    for (std::size_t lower = chosen + 1; lower < kPriorityCount; ++lower) {
        if (!lists_[lower].empty()) ++passed_over_[lower];
    }
    return lists_[chosen].pop_front();
}

TaskPtr WaitingEvents::take_below(Priority priority) noexcept {
    for (std::size_t lowest = kPriorityCount - 1; lowest > static_cast<std::size_t>(priority);
         --lowest) {
        if (!lists_[lowest].empty()) return lists_[lowest].pop_front();
    }
    return nullptr;
}

}  // namespace crucible::runtime
