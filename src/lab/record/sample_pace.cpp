#include "lab/record/sample_pace.h"

#include <algorithm>
#include <chrono>

namespace crucible::lab {

SamplePace::SamplePace(Duration length, Duration interval_min, std::uint64_t samples_max,
                       double core_share) noexcept
    : interval_(std::max(interval_min, length / static_cast<std::int64_t>(samples_max))),
      allowed_(std::chrono::duration_cast<Duration>(core_share * length)) {}

std::optional<Duration> SamplePace::next(Duration left, Duration spent,
                                         std::uint64_t taken) const noexcept {
    if (taken == 0) return interval_;
    // How many more can be paid for, were they all as those so far.
    const auto mean = spent / static_cast<std::int64_t>(taken);
    if (mean <= Duration::zero()) return interval_;
    const auto more = (allowed_ - spent) / mean;
    if (more < 1) return std::nullopt;
    return std::max(interval_, left / more);
}

}  // namespace crucible::lab
