#include "runtime/route/health_check.h"

#include "base/assert.h"

namespace crucible::runtime {

HealthCheck::HealthCheck(const HealthCheckOptions& options, TimePoint first)
    : options_(options), next_(first) {
    CRUCIBLE_ASSERT(options.rise >= 1 && options.fall >= 1 && options.interval > Duration::zero() &&
                    options.timeout > Duration::zero());
}

TimePoint HealthCheck::wakes_at() const noexcept {
    return expires_ ? *expires_ : next_;
}

std::optional<std::uint64_t> HealthCheck::begin(TimePoint now) {
    if (expires_ || now < next_) return std::nullopt;
    // From now, not from when it was due: after a stall one check is made and not all that were
    // missed.
    next_ = now + options_.interval;
    expires_ = now + options_.timeout;
    return ++number_;
}

std::optional<Health> HealthCheck::finish(std::uint64_t number, CheckResult result) {
    if (!expires_ || number != number_) return std::nullopt;
    return judge(result);
}

std::optional<Health> HealthCheck::expire(TimePoint now) {
    if (!expires_ || now < *expires_) return std::nullopt;
    return judge(CheckResult::failed);
}

std::optional<Health> HealthCheck::judge(CheckResult result) {
    expires_.reset();
    passed_ = result == CheckResult::passed ? passed_ + 1 : 0;
    failed_ = result == CheckResult::failed ? failed_ + 1 : 0;
    const Health next = follows(result);
    if (next == health_) return std::nullopt;
    health_ = next;
    return next;
}

Health HealthCheck::follows(CheckResult result) const noexcept {
    switch (result) {
        case CheckResult::passed:
            if (health_ == Health::unhealthy) return Health::degraded;
            return passed_ >= options_.rise ? Health::healthy : health_;
        case CheckResult::degraded:
            return Health::degraded;
        case CheckResult::failed:
            if (failed_ >= options_.fall) return Health::unhealthy;
            return health_ == Health::healthy ? Health::degraded : health_;
    }
    return health_;
}

}  // namespace crucible::runtime
