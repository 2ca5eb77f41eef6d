#pragma once

#include <cstdint>

#include "crucible/time.h"

namespace crucible::base {

/// Whether a short busy wait before a sleep is worth its CPU. Waking an idle core costs some 25 us,
/// so that who waits for something that comes within about as long does better to spin; who waits
/// longer only burns a core that others may need. Learns from how earlier spins ended. Not
/// thread-safe.
class BriefSpin {
public:
    /// As long as two wake-ups: what comes later is better slept for.
    static constexpr Duration kLimit = std::chrono::microseconds(50);

    /// While at least every fourth of the last spins ended with what was waited for; else once in
    /// kProbe waits, to find out whether that has changed.
    bool worthwhile() noexcept { return score_ >= kEnough || ++skipped_ % kProbe == 0; }
    void ended(bool in_time) noexcept { score_ += (in_time ? kWhole - score_ : -score_) / kMemory; }

private:
    static constexpr std::int32_t kWhole = 1 << 16;
    static constexpr std::int32_t kEnough = kWhole / 4;
    static constexpr std::int32_t kMemory = 8;
    static constexpr std::uint32_t kProbe = 64;

    std::int32_t score_ = kWhole;  ///< share of successes, the recent ones more
    std::uint32_t skipped_ = 0;
};

}  // namespace crucible::base
