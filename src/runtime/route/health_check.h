#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "crucible/service.h"
#include "crucible/time.h"
#include "runtime/service/health_registry.h"

namespace crucible::runtime {

struct HealthCheckOptions {
    Duration interval = std::chrono::seconds(5);  ///< from the start of a check to that of the next
    Duration timeout = std::chrono::seconds(2);   ///< after it a check counts as failed
    std::uint32_t rise = 2;  ///< checks passed in a row that make it healthy, at least 1
    std::uint32_t fall = 3;  ///< checks failed in a row that make it unhealthy, at least 1
};

/// When an instance is checked and what follows from the results. It checks nothing itself: who
/// dispatches asks begin() when wakes_at() has come, checks, and reports.
///
/// Its changes are those that HealthRegistry allows: from `starting` or `degraded` to `healthy`
/// after `rise` passed checks; from anything to `unhealthy` after `fall` failed ones, a healthy one
/// being `degraded` from the first of them; from `unhealthy` to `degraded` with the first that
/// passes, so that an instance that has recovered comes back by itself. A degraded result makes it
/// `degraded` at once. Not thread-safe.
class HealthCheck {
public:
    /// The first check is due at `first`.
    HealthCheck(const HealthCheckOptions& options, TimePoint first);

    Health health() const noexcept { return health_; }

    /// When to call: expire() while a check runs, else begin().
    TimePoint wakes_at() const noexcept;

    /// The number of the check to be made now; nothing when none is due.
    std::optional<std::uint64_t> begin(TimePoint now);
    /// The result of the check of that number. One that has expired says nothing any more. The new
    /// health, when that has changed.
    std::optional<Health> finish(std::uint64_t number, CheckResult result);
    /// Counts the running check as failed when its time is over. The new health, when that has
    /// changed.
    std::optional<Health> expire(TimePoint now);

private:
    std::optional<Health> judge(CheckResult result);
    Health follows(CheckResult result) const noexcept;

    const HealthCheckOptions options_;
    Health health_ = Health::starting;
    std::uint32_t passed_ = 0;  ///< in a row
    std::uint32_t failed_ = 0;  ///< in a row
    TimePoint next_;
    std::uint64_t number_ = 0;          ///< of the check that runs, or of the last one
    std::optional<TimePoint> expires_;  ///< while a check runs
};

}  // namespace crucible::runtime
