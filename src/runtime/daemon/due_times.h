#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "crucible/time.h"

namespace crucible::runtime {

enum class DueFor : std::uint8_t { greeting, idle, slow, pace };

/// When to look at a session again, and for what.
struct Due {
    TimePoint time;
    std::uint64_t session = 0;
    DueFor why = DueFor::greeting;
    friend auto operator<=>(const Due&, const Due&) = default;
};

/// What is due, the earliest first. Sessions that go leave theirs behind until it falls due, or
/// until that is most of what is here.
class DueTimes {
public:
    /// So many are kept without asking whose they are.
    static constexpr std::size_t kSweepMin = 1024;

    /// `lives(session)`: whether that session is still there.
    template <typename Lives>
    void add(const Due& due, Lives lives) {
        if (dues_.size() >= sweep_at_) {
            std::erase_if(dues_, [&](const Due& one) { return !lives(one.session); });
            std::ranges::make_heap(dues_, std::greater<>());
            sweep_at_ = std::max(kSweepMin, 2 * dues_.size());
        }
        dues_.push_back(due);
        std::ranges::push_heap(dues_, std::greater<>());
    }

    bool empty() const noexcept { return dues_.empty(); }
    std::size_t size() const noexcept { return dues_.size(); }
    const Due& top() const noexcept { return dues_.front(); }
    void pop() {
        std::ranges::pop_heap(dues_, std::greater<>());
        dues_.pop_back();
    }

private:
    std::vector<Due> dues_;  ///< a heap
    std::size_t sweep_at_ = kSweepMin;
};

}  // namespace crucible::runtime
