#include "runtime/coordinator/request_table.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/assert.h"

namespace crucible::runtime {

std::uint64_t RequestTable::begin() {
    const std::lock_guard lock(mutex_);
    pending_.emplace(++last_id_, std::make_unique<Pending>());
    return last_id_;
}

Result<Response> RequestTable::wait(std::uint64_t id, Duration limit) {
    std::unique_lock lock(mutex_);
    const auto found = pending_.find(id);
    CRUCIBLE_ASSERT(found != pending_.end());
    Pending& pending = *found->second;
    // Bounded, so that adding Duration::max() to the clock's time cannot overflow.
    const Duration wait = std::min<Duration>(limit, std::chrono::hours(24 * 365));
    const bool done = pending.answered.wait_for(lock, wait, [&] { return pending.done; });
    auto response = done ? std::move(pending.response) : std::unexpected(Error{Errc::timeout, {}});
    pending_.erase(id);
    return response;
}

void RequestTable::cancel(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    pending_.erase(id);
}

void RequestTable::complete(std::uint64_t id, Response response) {
    const std::lock_guard lock(mutex_);
    const auto found = pending_.find(id);
    if (found == pending_.end() || found->second->done) return;
    found->second->response = std::move(response);
    found->second->done = true;
    found->second->answered.notify_one();
}

void RequestTable::fail_all(const Error& error) {
    const std::lock_guard lock(mutex_);
    for (auto& [id, pending] : pending_) {
        if (pending->done) continue;
        pending->response = std::unexpected(error);
        pending->done = true;
        pending->answered.notify_one();
    }
}

}  // namespace crucible::runtime
