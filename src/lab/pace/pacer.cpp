#include "lab/pace/pacer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace crucible::lab {
Result<Pacing> parse_pacing(std::string_view name) {
    if (name == "precise") return Pacing::precise;
    if (name == "coalesced") return Pacing::coalesced;
    return std::unexpected(Error{Errc::invalid_argument,
                                 fmt::format("pacing '{}': must be precise or coalesced", name)});
}

std::string_view to_string(Pacing pacing) noexcept {
    return pacing == Pacing::precise ? "precise" : "coalesced";
}

TimePoint Pacer::end_of_wait(TimePoint due) const noexcept {
    if (pacing_ == Pacing::precise) return due;
    const auto grains = (due.time_since_epoch() + kCoalescedGrain - Duration(1)) / kCoalescedGrain;
    return TimePoint(grains * kCoalescedGrain);
}

TimePoint Pacer::wait_until(TimePoint due) noexcept {
    TimePoint now = clock_->now();
    if (now >= due) return now;
    const TimePoint end = end_of_wait(due);
    if (const Duration spun = margin(end - now); end - now > spun) {
        clock_->sleep_until(end - spun);
        now = clock_->now();
    }
    while (now < end) {
        base::spin_pause();
        now = clock_->now();
    }
    return now;
}

Duration wake_margin(base::Clock& clock) noexcept {
    constexpr std::size_t kSleeps = 50;
    constexpr Duration kSleep = std::chrono::microseconds(250);
    std::array<Duration, kSleeps> late{};
    for (auto& lateness : late) {
        const TimePoint until = clock.now() + kSleep;
        clock.sleep_until(until);
        lateness = clock.now() - until;
    }
    const auto ninth_decile = late.begin() + kSleeps * 9 / 10 - 1;
    std::ranges::nth_element(late, ninth_decile);
    return std::clamp(*ninth_decile, Duration::zero(), kMarginMax);
}

}  // namespace crucible::lab
