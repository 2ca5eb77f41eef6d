#include "lab/run/send_window.h"

#include <algorithm>

#include "base/clock.h"

namespace crucible::lab {

bool SendWindow::try_take() noexcept {
    // One sender: nobody else takes between the look and the subtraction.
    if (free_.load() <= 0) return false;
    free_.fetch_sub(1);
    return true;
}

bool SendWindow::try_acquire() {
    if (closed_.load()) return false;
    if (try_take()) return true;
    if (!returning_.load()) return false;
    const std::lock_guard lock(mutex_);
    collect(base::monotonic_now());
    return try_take();
}

bool SendWindow::acquire(TimePoint deadline) {
    if (closed_.load()) return false;
    if (try_take()) return true;
    std::unique_lock lock(mutex_);
    // Announced before looking again, so that a release either is seen here or sees the waiter.
    waiting_.store(true);
    bool taken = false;
    for (;;) {
        const TimePoint now = base::monotonic_now();
        collect(now);
        if (closed_.load() || (taken = try_take()) || now >= deadline) break;
        const TimePoint next = returns_.empty() ? deadline : returns_.front().at;
        released_.wait_for(lock, std::min(next, deadline) - now);
    }
    waiting_.store(false);
    return taken;
}

void SendWindow::collect(TimePoint now) {
    for (; !returns_.empty() && returns_.front().at <= now; returns_.pop_front())
        free_.fetch_add(returns_.front().places);
}

void SendWindow::release_at(std::uint32_t places, TimePoint at) {
    {
        const std::lock_guard lock(mutex_);
        returns_.push_back({at, places});
        returning_.store(true);
    }
    if (waiting_.load()) released_.notify_one();
}

TimePoint SendWindow::next_return() {
    if (!returning_.load()) return TimePoint::max();
    const std::lock_guard lock(mutex_);
    return returns_.empty() ? TimePoint::max() : returns_.front().at;
}

void SendWindow::release(std::uint32_t places) noexcept {
    free_.fetch_add(places);
    if (waiting_.load()) wake();
}

void SendWindow::close() noexcept {
    closed_.store(true);
    wake();
}

void SendWindow::wake() noexcept {
    // Through the mutex: the waiter is inside wait_for() or has not looked yet.
    { const std::lock_guard lock(mutex_); }
    released_.notify_one();
}

}  // namespace crucible::lab
