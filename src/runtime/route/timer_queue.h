#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::runtime {

/// Things that are not due before a time: events scheduled for later, retries, health checks. The
/// earliest leaves first, of those due at the same time the one that came first. Bounded, with all
/// memory but that of the items taken on construction. Not thread-safe, and without a thread: who
/// owns it waits until next_due().
template <typename Item>
class TimerQueue {
public:
    /// `items_max`: at least 1.
    explicit TimerQueue(std::size_t items_max) : items_max_(items_max) {
        CRUCIBLE_ASSERT(items_max >= 1);
        heap_.reserve(items_max);
    }

    std::size_t size() const noexcept { return heap_.size(); }
    bool empty() const noexcept { return heap_.empty(); }

    /// Takes `item` only on success; in logarithmic time.
    /// - Errc::overloaded: it is full; without a message, so that a flood allocates nothing.
    Result<> push(TimePoint due, Item&& item) {
        if (heap_.size() == items_max_) return std::unexpected(Error{Errc::overloaded, {}});
        heap_.push_back({due, next_number_++, std::move(item)});
        std::push_heap(heap_.begin(), heap_.end(), later);
        return {};
    }

    /// When take_due() has the next item; nothing when it is empty.
    std::optional<TimePoint> next_due() const noexcept {
        if (heap_.empty()) return std::nullopt;
        return heap_.front().due;
    }

    /// The next item, if it is due; in logarithmic time.
    std::optional<Item> take_due(TimePoint now) {
        if (heap_.empty() || heap_.front().due > now) return std::nullopt;
        std::pop_heap(heap_.begin(), heap_.end(), later);
        std::optional<Item> item(std::move(heap_.back().item));
        heap_.pop_back();
        return item;
    }

    /// Moves the items that `wanted(item)` says to the end of `out`; in linear time.
    template <typename Wanted>
    void extract(const Wanted& wanted, std::vector<Item>& out) {
        const auto kept =
            std::ranges::partition(heap_, [&](const Entry& entry) { return !wanted(entry.item); });
        for (Entry& entry : kept) out.push_back(std::move(entry.item));
        heap_.erase(kept.begin(), kept.end());
        std::ranges::make_heap(heap_, later);
    }

private:
    struct Entry {
        TimePoint due;
        std::uint64_t number = 0;  ///< in the order of coming
        Item item;
    };
    static bool later(const Entry& a, const Entry& b) noexcept {
        return a.due != b.due ? a.due > b.due : a.number > b.number;
    }

    const std::size_t items_max_;
    std::vector<Entry> heap_;  ///< a min-heap
    std::uint64_t next_number_ = 0;
};

}  // namespace crucible::runtime
