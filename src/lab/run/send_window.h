#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "crucible/time.h"

namespace crucible::lab {

/// The places of a closed loop: as many events may be in flight. The sender takes a place and
/// sleeps while there is none; completions give places back. One sender; release() from any thread.
class SendWindow {
public:
    explicit SendWindow(std::uint32_t places) noexcept : free_(places) {}

    /// Takes a place; waits for one until `deadline` at most, or until close(). False: there was
    /// none.
    bool acquire(TimePoint deadline);
    /// Takes a place if there is one.
    bool try_acquire() noexcept { return !closed_.load() && try_take(); }
    void release(std::uint32_t places) noexcept;
    /// acquire() returns false from now on.
    void close() noexcept;

private:
    bool try_take() noexcept;
    void wake() noexcept;

    std::atomic<std::int64_t> free_;
    std::atomic<bool> closed_ = false;
    std::atomic<bool> waiting_ = false;
    std::mutex mutex_;
    std::condition_variable released_;
};

}  // namespace crucible::lab
