#include "runtime/route/seen_events.h"

#include <bit>

#include "base/assert.h"

namespace crucible::runtime {

static_assert(static_cast<int>(Outcome::expired) == 3);

SeenEvents::SeenEvents(const Options& options, const HashKey& key)
    : window_(options.window),
      key_(key),
      entries_(options.events_max),
      slots_(std::bit_ceil(2 * options.events_max), kNone) {
    CRUCIBLE_ASSERT(options.events_max >= 1 && options.events_max <= kEventsMax);
}

std::size_t SeenEvents::home_of(const Uuid& id) const noexcept {
    return keyed_hash(key_, id) & (slots_.size() - 1);
}

std::size_t SeenEvents::slot_of(const Uuid& id) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = home_of(id);
    while (slots_[at] != kNone && entries_[slots_[at]].id != id) at = (at + 1) & mask;
    return at;
}

/// Empties a slot and moves those behind it up that it kept from their places: no marks of the dead
/// are left that searches would have to pass for ever.
void SeenEvents::vacate(std::size_t slot) noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t hole = slot;
    for (std::size_t at = (slot + 1) & mask; slots_[at] != kNone; at = (at + 1) & mask) {
        const std::size_t home = home_of(entries_[slots_[at]].id);
        // Its way from home to here leads over the hole.
        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        slots_[hole] = slots_[at];
        hole = at;
    }
    slots_[hole] = kNone;
}

void SeenEvents::drop_oldest() noexcept {
    Entry& entry = entries_[oldest_];
    if (entry.fate != Fate::gone) {
        vacate(slot_of(entry.id));
        entry.fate = Fate::gone;
        --stats_.held;
    }
    oldest_ = oldest_ + 1 == entries_.size() ? 0 : oldest_ + 1;
    --size_;
}

/// Threads may come with their times in another order: an id then stays until those before it have
/// left, a moment longer than its own time.
void SeenEvents::drop_outdated(TimePoint now) noexcept {
    while (size_ > 0 && now - entries_[oldest_].seen_at >= window_) drop_oldest();
}

SeenEvents::Sighting SeenEvents::see(const Uuid& id, TimePoint now) {
    const std::lock_guard lock(mutex_);
    ++stats_.seen;
    drop_outdated(now);
    std::size_t slot = slot_of(id);
    if (slots_[slot] != kNone) {
        ++stats_.repeated;
        const Fate fate = entries_[slots_[slot]].fate;
        if (fate == Fate::pending) return {.first = false, .outcome = std::nullopt};
        return {.first = false, .outcome = static_cast<Outcome>(fate)};
    }
    if (size_ == entries_.size()) {
        if (entries_[oldest_].fate != Fate::gone) ++stats_.left_early;
        drop_oldest();
        slot = slot_of(id);  // others may have moved up
    }
    const std::size_t place = (oldest_ + size_) % entries_.size();
    entries_[place] = {.id = id, .seen_at = now, .fate = Fate::pending};
    slots_[slot] = static_cast<std::uint32_t>(place);
    ++size_;
    ++stats_.held;
    return {.first = true, .outcome = std::nullopt};
}

std::optional<SeenEvents::Sighting> SeenEvents::find(const Uuid& id) const {
    const std::lock_guard lock(mutex_);
    const std::size_t slot = slot_of(id);
    if (slots_[slot] == kNone) return std::nullopt;
    const Fate fate = entries_[slots_[slot]].fate;
    if (fate == Fate::pending) return Sighting{};
    return Sighting{.first = false, .outcome = static_cast<Outcome>(fate)};
}

void SeenEvents::conclude(const Uuid& id, Outcome outcome) {
    const std::lock_guard lock(mutex_);
    const std::size_t slot = slot_of(id);
    if (slots_[slot] != kNone) entries_[slots_[slot]].fate = static_cast<Fate>(outcome);
}

void SeenEvents::forget(const Uuid& id) {
    const std::lock_guard lock(mutex_);
    const std::size_t slot = slot_of(id);
    if (slots_[slot] == kNone) return;
    const std::size_t place = slots_[slot];
    vacate(slot);
    entries_[place].fate = Fate::gone;
    --stats_.held;
    // Only the end of a ring can be given back. Else a flood of events that are not accepted would
    // push out those that were.
    if (place == (oldest_ + size_ - 1) % entries_.size()) --size_;
}

SeenEvents::Stats SeenEvents::stats() const {
    const std::lock_guard lock(mutex_);
    return stats_;
}

std::size_t SeenEvents::bytes_used() const noexcept {
    return sizeof *this + entries_.capacity() * sizeof(Entry) +
           slots_.capacity() * sizeof(std::uint32_t);
}

}  // namespace crucible::runtime
