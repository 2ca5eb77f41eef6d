#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/rng.h"
#include "crucible/time.h"

namespace crucible::runtime {

/// When a failed event is handed over again: exponential backoff with full jitter,
///
///     delay = random between 0 and min(cap, base * 2^(attempts - 1))
///
/// (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015, where of all variants it
/// made the fewest calls). Without the jitter events that failed together would come back together.
struct RetryPolicy {
    /// In all, the first included, and those for which a circuit breaker was open.
    std::uint32_t attempts_max = 4;
    Duration base = std::chrono::milliseconds(100);
    Duration cap = std::chrono::seconds(10);

    /// How long to wait after `attempts` attempts, of which the last has failed. `remaining`: until
    /// its deadline; a delay is drawn from no more than that, so that none ends after it. Nothing
    /// when there shall be no further attempt.
    std::optional<Duration> delay(std::uint32_t attempts, std::optional<Duration> remaining,
                                  base::Rng& random) const noexcept;
};

}  // namespace crucible::runtime
