#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

namespace crucible::runtime {

/// Things that come in the order of their numbers and go in any. However long one of them stays,
/// those that have gone behind it take no more places than those that are left, or kSweepMin.
template <typename T>
class NumberedQueue {
public:
    struct Entry {
        std::uint64_t number = 0;
        bool gone = false;
        T value{};
    };
    /// So many may have gone before it is worth moving the others together.
    static constexpr std::size_t kSweepMin = 1024;

    explicit NumberedQueue(std::uint64_t first = 0) noexcept : next_(first) {}

    /// That of the next thing.
    std::uint64_t next_number() const noexcept { return next_; }
    void push(T value) { entries_.push_back({next_++, false, std::move(value)}); }

    /// Null: it has gone, or never came.
    const T* find(std::uint64_t number) const noexcept {
        const std::size_t at = position(number);
        if (at == entries_.size()) return nullptr;
        const Entry& entry = entries_[at];
        return entry.number == number && !entry.gone ? &entry.value : nullptr;
    }
    T* find(std::uint64_t number) noexcept {
        return const_cast<T*>(std::as_const(*this).find(number));
    }

    /// The first that is left from that number on; null: there is none.
    const Entry* from(std::uint64_t number) const noexcept {
        for (std::size_t at = position(number); at < entries_.size(); ++at)
            if (!entries_[at].gone) return &entries_[at];
        return nullptr;
    }

    /// Of one that find() finds.
    void erase(std::uint64_t number) {
        Entry& entry = entries_[position(number)];
        entry.gone = true;
        entry.value = T();
        ++gone_;
        for (; !entries_.empty() && entries_.front().gone; --gone_) entries_.pop_front();
        // As many move as have gone since the last time, at most.
        if (gone_ < kSweepMin || gone_ <= entries_.size() / 2) return;
        std::erase_if(entries_, [](const Entry& one) { return one.gone; });
        gone_ = 0;
    }

    /// All that are left, each given to `take`; the numbers go on.
    template <typename Take>
    void take_all(Take take) {
        for (Entry& entry : entries_)
            if (!entry.gone) take(std::move(entry.value));
        entries_.clear();
        gone_ = 0;
    }

    bool empty() const noexcept { return entries_.empty(); }
    /// Places taken, also by things that have gone.
    std::size_t places() const noexcept { return entries_.size(); }

private:
    /// Of the first entry from that number on.
    std::size_t position(std::uint64_t number) const noexcept {
        if (number >= next_) return entries_.size();
        // Mostly all from it on are still there, and it is as far from the end as its number.
        const std::uint64_t from_end = next_ - number;
        if (from_end <= entries_.size()) {
            const std::size_t at = entries_.size() - static_cast<std::size_t>(from_end);
            if (entries_[at].number == number) return at;
        }
        const auto found = std::ranges::lower_bound(entries_, number, {}, &Entry::number);
        return static_cast<std::size_t>(found - entries_.begin());
    }

    std::deque<Entry> entries_;
    std::uint64_t next_ = 0;
    std::size_t gone_ = 0;  ///< of entries_
};

}  // namespace crucible::runtime
