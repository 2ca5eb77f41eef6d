#include "runtime/route/retry.h"

#include <algorithm>

namespace crucible::runtime {

std::optional<Duration> RetryPolicy::delay(std::uint32_t attempts,
                                           std::optional<Duration> remaining,
                                           base::Rng& random) const noexcept {
    if (attempts >= attempts_max) return std::nullopt;
    Duration most = std::min(base, cap);
    // Doubled step by step: the power alone would overflow after 63 attempts.
    for (std::uint32_t i = 1; i < attempts && most < cap; ++i)
        most = most > cap / 2 ? cap : 2 * most;
    if (remaining) {
        if (*remaining <= Duration::zero()) return std::nullopt;
        most = std::min(most, *remaining);
    }
    if (most <= Duration::zero()) return Duration::zero();
    return Duration(
        static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most.count()))));
}

}  // namespace crucible::runtime
