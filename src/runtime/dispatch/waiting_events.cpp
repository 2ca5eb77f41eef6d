#include "runtime/dispatch/waiting_events.h"

#include <algorithm>
#include <utility>

namespace crucible::runtime {

bool WaitingEvents::empty() const noexcept {
    return std::ranges::all_of(lines_, [](const Line& line) { return line.empty(); });
}

void WaitingEvents::push(TaskPtr task) noexcept {
    Line& line = lines_[static_cast<std::size_t>(task->event.priority)];
    // Behind what is packed already: the order comes first.
    if (!line.later.empty() || line.next_count >= kUnpackedMax)
        return line.later.push_back(std::move(task));
    line.next.push_back(std::move(task));
    ++line.next_count;
}

void WaitingEvents::push_front(TaskPtr task) noexcept {
    Line& line = lines_[static_cast<std::size_t>(task->event.priority)];
    line.next.push_front(std::move(task));
    ++line.next_count;
}

TaskPtr WaitingEvents::Line::pop_front() noexcept {
    TaskPtr task = next.pop_front();
    if (!task) return later.pop_front();
    --next_count;
    return task;
}

std::size_t WaitingEvents::next_priority() const noexcept {
    for (std::size_t priority = 0; priority < kPriorityCount; ++priority) {
        if (passed_over_[priority] >= kPassesMax && !lines_[priority].empty()) return priority;
    }
    std::size_t priority = 0;
    while (priority < kPriorityCount && lines_[priority].empty()) ++priority;
    return priority;
}

TaskPtr WaitingEvents::take() noexcept {
    const std::size_t chosen = next_priority();
    if (chosen == kPriorityCount) return nullptr;
    passed_over_[chosen] = 0;
    for (std::size_t lower = chosen + 1; lower < kPriorityCount; ++lower) {
        if (!lines_[lower].empty()) ++passed_over_[lower];
    }
    return lines_[chosen].pop_front();
}

TaskPtr WaitingEvents::take_below(Priority priority) noexcept {
    for (std::size_t lowest = kPriorityCount - 1; lowest > static_cast<std::size_t>(priority);
         --lowest) {
        if (!lines_[lowest].empty()) return lines_[lowest].pop_front();
    }
    return nullptr;
}

}  // namespace crucible::runtime
