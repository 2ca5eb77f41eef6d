#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <span>
#include <vector>

#include "crucible/coordinator.h"

namespace crucible::runtime::testing {

/// Collects what a coordinator acknowledges.
class Acknowledgements {
public:
    AcknowledgementHandler handler() {
        return [this](std::span<const Acknowledgement> batch) {
            const std::lock_guard lock(mutex_);
            all_.insert(all_.end(), batch.begin(), batch.end());
            changed_.notify_all();
        };
    }
    std::vector<Acknowledgement> all() const {
        const std::lock_guard lock(mutex_);
        return all_;
    }
    bool wait_for(std::size_t count) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::seconds(30),
                                 [&] { return all_.size() >= count; });
    }
    std::size_t count(Outcome outcome) const {
        const std::lock_guard lock(mutex_);
        std::size_t matches = 0;
        for (const auto& acknowledgement : all_)
            matches += acknowledgement.outcome == outcome ? 1 : 0;
        return matches;
    }

private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Acknowledgement> all_;
};

}  // namespace crucible::runtime::testing
