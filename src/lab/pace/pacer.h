#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::lab {

/// How close to the due time the sender tries to be.
enum class Pacing : std::uint8_t {
    precise,  ///< sleep to shortly before the due time, then spin
    /// Wake once a millisecond for all that is due, and read then what has come back: cheaper, but
    /// events leave up to 1 ms late, which their latencies have in them. From a target that is
    /// served by the sender's thread answers are read up to 1 ms late; those of HTTP servers carry
    /// the time at which the kernel received them.
    coalesced,
};
Result<Pacing> parse_pacing(std::string_view name);
std::string_view to_string(Pacing pacing) noexcept;

/// Coalesced waits end on multiples of it.
inline constexpr Duration kCoalescedGrain = std::chrono::milliseconds(1);
/// Coalesced: after something has been read, so long nothing is.
inline constexpr Duration kReadTogether = kCoalescedGrain - std::chrono::microseconds(10);

inline constexpr Duration kLongMarginMax = std::chrono::microseconds(300);

/// How much of a wait of that length is spun where sleeps end `margin` late. The longer a core has
/// slept, the longer it takes to wake up: of long waits so much that all `senders` together spin
/// for a tenth of a core, up to kLongMarginMax. Nothing where sleeps end on time.
constexpr Duration spin_time(Duration margin, Duration wait, std::uint32_t senders = 1) noexcept {
    if (margin == Duration::zero()) return margin;
    return std::max(margin, std::min(wait / (10 * std::int64_t{senders}), kLongMarginMax));
}

/// Waits for due times. Not thread-safe; holds no state between waits.
class Pacer {
public:
    /// `margin`: how long before the due time a precise wait wakes up and spins; see wake_margin().
    /// `senders`: how many wait like this one at the same time. `clock` outlives the pacer.
    Pacer(base::Clock& clock, Pacing pacing, Duration margin, std::uint32_t senders = 1) noexcept
        : clock_(&clock), pacing_(pacing), margin_(margin), senders_(senders) {}

    /// Returns at `due` or as shortly after it as the pacing allows, at once when it has passed.
    /// The time of return, never before `due`.
    TimePoint wait_until(TimePoint due) noexcept;

    /// When a wait for `due` is to end: then, or with the other events of its millisecond.
    TimePoint end_of_wait(TimePoint due) const noexcept;
    Pacing pacing() const noexcept { return pacing_; }
    /// How long before its end a wait of that length stops sleeping.
    Duration margin(Duration wait) const noexcept {
        return pacing_ == Pacing::precise ? spin_time(margin_, wait, senders_) : Duration::zero();
    }

private:
    base::Clock* clock_;
    Pacing pacing_;
    Duration margin_;
    std::uint32_t senders_;
};

/// A margin above it only burns CPU: on a machine whose sleeps end this late, precision is lost
/// anyway.
inline constexpr Duration kMarginMax = std::chrono::microseconds(100);

/// The margin for this machine: how late nine of ten sleeps end, at most kMarginMax. Takes about
/// 15 ms: it sleeps 50 times. Call it on the thread that will wait, after
/// base::set_precise_timers().
Duration wake_margin(base::Clock& clock) noexcept;

}  // namespace crucible::lab
