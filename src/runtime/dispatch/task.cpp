#include "runtime/dispatch/task.h"

#include <utility>

namespace crucible::runtime {

std::size_t event_bytes(const Event& event) noexcept {
    std::size_t bytes = sizeof(Event) + event.type.size() + event.source.size() +
                        event.payload.size() + event.content_type.size();
    for (const auto& target : event.targets) bytes += sizeof(std::string) + target.size();
    return bytes;
}

std::size_t event_bytes(const EventView& event) noexcept {
    std::size_t bytes =
        sizeof(Event) + event.type.size() + event.source.size() + event.payload_bytes;
    for (std::size_t i = 0; i < event.targets.size(); ++i)
        bytes += sizeof(std::string) + event.targets[i].size();
    return bytes;
}

TaskList::TaskList(TaskList&& other) noexcept
    : first_(std::exchange(other.first_, nullptr)), last_(std::exchange(other.last_, nullptr)) {}

TaskList& TaskList::operator=(TaskList&& other) noexcept {
    std::swap(first_, other.first_);
    std::swap(last_, other.last_);
    return *this;
}

TaskList::~TaskList() {
    while (pop_front()) {
    }
}

void TaskList::push_back(TaskPtr task) noexcept {
    Task* added = task.release();
    added->next = nullptr;
    if (last_ != nullptr) {
        last_->next = added;
    } else {
        first_ = added;
    }
    last_ = added;
}

void TaskList::push_front(TaskPtr task) noexcept {
    Task* added = task.release();
    added->next = first_;
    first_ = added;
    if (last_ == nullptr) last_ = added;
}

TaskPtr TaskList::pop_front() noexcept {
    TaskPtr oldest(first_);
    if (first_ != nullptr) {
        first_ = std::exchange(oldest->next, nullptr);
        if (first_ == nullptr) last_ = nullptr;
    }
    return oldest;
}

}  // namespace crucible::runtime
