#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace crucible::bench {

/// Counts in one thread what another waits for.
class Counter {
public:
    std::uint64_t count() const noexcept { return count_.load(std::memory_order_acquire); }

    void add(std::uint64_t more) noexcept {
        if (more == 0) return;
        count_.fetch_add(more, std::memory_order_release);
        wake();
    }
    /// Nothing more will come: who waits is woken.
    void end() noexcept {
        ended_.store(true);
        wake();
    }

    /// Sleeps until it is above `so_much`; false after 20 s without, or at the end.
    bool wait_above(std::uint64_t so_much) {
        if (count() > so_much) return true;
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, std::chrono::seconds(20),
                          [&] { return count() > so_much || ended_.load(); });
        return count() > so_much;
    }

private:
    void wake() noexcept {
        // Empty on purpose: whoever is between its check and its wait holds the mutex.
        { const std::lock_guard lock(mutex_); }
        changed_.notify_one();
    }

    std::atomic<std::uint64_t> count_ = 0;
    std::atomic<bool> ended_ = false;
    std::mutex mutex_;
    std::condition_variable changed_;
};

}  // namespace crucible::bench
