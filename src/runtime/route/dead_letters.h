#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "crucible/event.h"
#include "crucible/time.h"

namespace crucible::runtime {

/// An event that could not be delivered, with what is needed to understand why and to try again.
struct DeadLetter {
    std::uint64_t number = 0;  ///< in the order of coming; names it in its queue
    Uuid id;
    Category category = Category::custom;
    std::string type;
    std::string source;
    std::string reason;          ///< of the last attempt; one line
    std::uint32_t attempts = 0;  ///< those for which a circuit breaker was open included
    WallTime first_failed{};
    WallTime last_failed{};
    std::vector<std::byte> encoded;  ///< the event as encode_event() writes it

    /// The event. - Errc::corrupt: not possible for one that DeadLetters made.
    Result<Event> event() const;
    /// What it counts for in the queue's limit, in bytes.
    std::size_t bytes() const noexcept;
};

/// What an event died of.
struct Death {
    std::string_view reason;
    std::uint32_t attempts = 0;
    WallTime first_failed{};
    WallTime last_failed{};
};

/// Events that could not be delivered, kept for people to look at and to replay. Bounded in events
/// and bytes: the oldest makes room, and is counted. In memory only. A plain value; not
/// thread-safe.
class DeadLetters {
public:
    static constexpr std::size_t kReasonBytesMax = 1024;  ///< the rest of a reason is cut off

    struct Options {
        std::size_t events_max = 10'000;    ///< at least 1
        std::size_t bytes_max = 64u << 20;  ///< of all letters together
    };
    struct Stats {
        std::uint64_t added = 0;
        std::uint64_t taken = 0;
        std::uint64_t dropped = 0;  ///< to make room, or larger than the whole queue
        std::size_t held = 0;       ///< added = taken + dropped + held
        std::size_t bytes = 0;      ///< of those held
    };

    explicit DeadLetters(const Options& options);

    /// Its number. - Errc::overloaded: the letter alone is larger than bytes_max; it is counted as
    /// dropped. - Errc::invalid_argument: the event cannot be encoded; the same.
    Result<std::uint64_t> add(const Event& event, const Death& death);

    /// The oldest first; valid until the next change.
    const std::deque<DeadLetter>& letters() const noexcept { return letters_; }
    /// Takes one out, for replay. Nothing when it is not there: taken, or dropped to make room.
    std::optional<DeadLetter> take(std::uint64_t number);
    /// Takes the oldest out; nothing when there is none.
    std::optional<DeadLetter> take_oldest();

    const Stats& stats() const noexcept { return stats_; }

private:
    std::optional<DeadLetter> take_at(std::deque<DeadLetter>::iterator place);

    Options options_;
    std::deque<DeadLetter> letters_;  ///< by number
    Stats stats_;
};

}  // namespace crucible::runtime
