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

bool SendWindow::acquire(TimePoint deadline) {
    if (closed_.load()) return false;
    if (try_take()) return true;
    std::unique_lock lock(mutex_);
    // Announced before looking again, so that a release either is seen here or sees the waiter.
    waiting_.store(true);
    bool taken = false;
    const Duration limit = std::max(deadline - base::monotonic_now(), Duration::zero());
    released_.wait_for(lock, limit, [&] { return closed_.load() || (taken = try_take()); });
    waiting_.store(false);
    return taken;
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
