#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>

#include "crucible/time.h"

namespace crucible::lab {

/// The places of a closed loop: as many events may be in flight. The sender takes a place and
/// sleeps while there is none; completions give places back, at once or after some time to think.
/// One sender; release() and release_at() from any thread.
class SendWindow {
public:
    explicit SendWindow(std::uint32_t places) noexcept : free_(places) {}

    /// Takes a place; waits for one until `deadline` at most, or until close(). False: there was
    /// none.
    bool acquire(TimePoint deadline);
    /// Takes a place if there is one.
    bool try_acquire();
    void release(std::uint32_t places) noexcept;
    /// They are free again from `at` on; not earlier than in any call before.
    void release_at(std::uint32_t places, TimePoint at);
    /// When the next of those is, the end of time when there is none.
    TimePoint next_return();
    /// acquire() returns false from now on.
    void close() noexcept;

private:
    struct Return {
        TimePoint at;
        std::uint32_t places = 0;
    };
    bool try_take() noexcept;
    void wake() noexcept;
    /// With the mutex held.
    void collect(TimePoint now);

    std::atomic<std::int64_t> free_;
    std::atomic<bool> closed_ = false;
    std::atomic<bool> waiting_ = false;
    std::atomic<bool> returning_ = false;  ///< release_at() was ever called
    std::mutex mutex_;
    std::deque<Return> returns_;
    std::condition_variable released_;
};

}  // namespace crucible::lab
