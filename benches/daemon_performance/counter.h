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
        const std::uint64_t now = count_.fetch_add(more) + more;
        // Who waits is woken once, when it is there: a wake-up costs more than many events.
        if (now > awaited_.load()) wake();
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
        awaited_.store(so_much);
        changed_.wait_for(lock, std::chrono::seconds(20),
                          [&] { return count_.load() > so_much || ended_.load(); });
        awaited_.store(kNobody);
        return count() > so_much;
    }

private:
    void wake() noexcept {
        // Empty on purpose: whoever is between its check and its wait holds the mutex.
        { const std::lock_guard lock(mutex_); }
        changed_.notify_one();
    }

    static constexpr std::uint64_t kNobody = ~std::uint64_t{0};

    std::atomic<std::uint64_t> count_ = 0;
    std::atomic<std::uint64_t> awaited_ = kNobody;  ///< somebody waits for more than this
    std::atomic<bool> ended_ = false;
    std::mutex mutex_;
    std::condition_variable changed_;
};

}  // namespace crucible::bench
