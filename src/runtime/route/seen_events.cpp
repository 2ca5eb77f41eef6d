#include "runtime/route/seen_events.h"

#include <bit>

#include "base/assert.h"

namespace crucible::runtime {

static_assert(static_cast<int>(Outcome::expired) == 3);

SeenEvents::SeenEvents(const Options& options, const HashKey& key)
    : window_(options.window),
      key_(key),
      entries_(options.events_max),
      slots_(std::bit_ceil(2 * options.events_max)) {
    CRUCIBLE_ASSERT(options.events_max >= 1 && options.events_max <= kEventsMax);
}

std::size_t SeenEvents::home_of(const Uuid& id) const noexcept {
    return keyed_hash(key_, id) & (slots_.size() - 1);
}

std::size_t SeenEvents::slot_of(const Uuid& id, std::size_t home) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = home;
    while (slots_[at] != kNone && entry_in(at).id != id) at = (at + 1) & mask;
    return at;
}

/// Empties a slot and moves those behind it up that it kept from their places: no marks of the dead
/// are left that searches would have to pass for ever.
void SeenEvents::vacate(std::size_t slot) noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t hole = slot;
    for (std::size_t at = (slot + 1) & mask; slots_[at] != kNone; at = (at + 1) & mask) {
        const std::size_t home = entry_in(at).home;
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
        vacate(slot_of(entry.id, entry.home));
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

SeenEvents::Sighting SeenEvents::see(const Uuid& id, TimePoint now,
                                     std::optional<Outcome> ends_as) {
    const std::size_t home = home_of(id);
    const std::lock_guard lock(mutex_);
    ++stats_.seen;
    drop_outdated(now);
    std::size_t slot = slot_of(id, home);
    if (slots_[slot] != kNone) {
        ++stats_.repeated;
        const Fate fate = entry_in(slot).fate;
        if (fate == Fate::pending) return {.first = false, .outcome = std::nullopt};
        return {.first = false, .outcome = static_cast<Outcome>(fate)};
    }
    if (size_ == entries_.size()) {
        if (entries_[oldest_].fate != Fate::gone) ++stats_.left_early;
        drop_oldest();
        slot = slot_of(id, home);  // others may have moved up
    }
    std::size_t place = oldest_ + size_;
    if (place >= entries_.size()) place -= entries_.size();
    entries_[place] = {.id = id,
                       .seen_at = now,
                       .home = static_cast<std::uint32_t>(home),
                       .fate = ends_as ? static_cast<Fate>(*ends_as) : Fate::pending};
    slots_[slot] = static_cast<std::uint32_t>(place + 1);
    ++size_;
    ++stats_.held;
    return {.first = true, .outcome = ends_as};
}

std::optional<SeenEvents::Sighting> SeenEvents::find(const Uuid& id) const {
    const std::lock_guard lock(mutex_);
    const std::size_t slot = slot_of(id);
    if (slots_[slot] == kNone) return std::nullopt;
    const Fate fate = entry_in(slot).fate;
    if (fate == Fate::pending) return Sighting{};
    return Sighting{.first = false, .outcome = static_cast<Outcome>(fate)};
}

void SeenEvents::conclude(const Uuid& id, Outcome outcome) {
    const std::lock_guard lock(mutex_);
    const std::size_t slot = slot_of(id);
    if (slots_[slot] != kNone) entry_in(slot).fate = static_cast<Fate>(outcome);
}

void SeenEvents::forget(const Uuid& id) {
    const std::lock_guard lock(mutex_);
    const std::size_t slot = slot_of(id);
    if (slots_[slot] == kNone) return;
    const std::size_t place = slots_[slot] - 1;
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
    return sizeof *this + entries_.size() * sizeof(Entry) + slots_.size() * sizeof(std::uint32_t);
}

}  // namespace crucible::runtime
