#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

#include "base/zeroed_array.h"
#include "crucible/event.h"
#include "crucible/service.h"
#include "crucible/time.h"
#include "runtime/route/keyed_hash.h"

namespace crucible::runtime {

/// Remembers the events of a window by their ids, so that one that is published again is answered
/// with the outcome of the first instead of being handled twice. Exact: an event in the window is
/// always known, and no other is. Thread-safe.
///
/// An id is in the window from when it was first seen until `window` has passed, or until
/// `events_max` others have been seen after it, whichever comes first; those that leave for want of
/// room are counted. All memory is taken on construction, and becomes resident as it is used; each
/// call takes constant time (ids whose time is over leave with a later call, each once).
class SeenEvents {
public:
    struct Options {
        std::size_t events_max = 100'000;  ///< 1 to kEventsMax
        Duration window = std::chrono::minutes(5);
    };
    static constexpr std::size_t kEventsMax = 100'000'000;

    struct Sighting {
        bool first = false;  ///< not in the window: it is now, and the caller handles it
        /// Of the first one, once that has ended; without it that one is still being handled.
        std::optional<Outcome> outcome;
    };

    struct Stats {
        std::uint64_t seen = 0;        ///< calls of see()
        std::uint64_t repeated = 0;    ///< of those, not the first
        std::uint64_t left_early = 0;  ///< ids that left for want of room, before their time
        std::size_t held = 0;          ///< ids in memory now
    };

    SeenEvents(const Options& options, const HashKey& key);

    /// An event with this id was published. `ends_as`: how it ends if it is the first, where that
    /// is known already; conclude() is not needed then.
    Sighting see(const Uuid& id, TimePoint now, std::optional<Outcome> ends_as = std::nullopt);
    /// What see() would find, without adding anything; nothing when the id is not in the window.
    std::optional<Sighting> find(const Uuid& id) const;
    /// How the event of this id ended. Nothing happens when it has left the window meanwhile.
    void conclude(const Uuid& id, Outcome outcome);
    /// The event was not accepted after all (the queue was full): the next one of this id is the
    /// first again. Its place in the window stays taken, unless no other was seen after it.
    void forget(const Uuid& id);

    Stats stats() const;
    std::size_t capacity() const noexcept { return entries_.size(); }
    /// Never changes.
    std::size_t bytes_used() const noexcept;

private:
    static constexpr std::uint32_t kNone = 0;
    /// How the first one ended (as in Outcome), or that it has not, or that the place holds nobody.
    enum class Fate : std::uint8_t { handled, rejected, failed, expired, pending, gone };

    struct Entry {
        Uuid id;
        TimePoint seen_at;
        std::uint32_t home = 0;  ///< the slot where its search begins
        Fate fate = Fate::gone;
    };

    Entry& entry_in(std::size_t slot) noexcept { return entries_[slots_[slot] - 1]; }
    const Entry& entry_in(std::size_t slot) const noexcept { return entries_[slots_[slot] - 1]; }
    std::size_t home_of(const Uuid& id) const noexcept;
    /// The slot with this id, or the free one where it belongs.
    std::size_t slot_of(const Uuid& id) const noexcept { return slot_of(id, home_of(id)); }
    std::size_t slot_of(const Uuid& id, std::size_t home) const noexcept;
    void vacate(std::size_t slot) noexcept;
    void drop_oldest() noexcept;
    void drop_outdated(TimePoint now) noexcept;

    const Duration window_;
    const HashKey key_;

    mutable std::mutex mutex_;
    base::ZeroedArray<Entry> entries_;  ///< a ring in the order in which they were seen
    std::size_t oldest_ = 0;            ///< of entries_
    std::size_t size_ = 0;              ///< in the ring, those that are gone included
    /// Places in entries_ plus one, or kNone: open addressing with linear probing; a power of two,
    /// at least twice the entries.
    base::ZeroedArray<std::uint32_t> slots_;
    Stats stats_;
};

}  // namespace crucible::runtime
