// Exchange: whether the services can work.
#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "runtime/dispatch/exchange.h"

namespace crucible::runtime {

/// Those that would only acknowledge are never handed anything: they can always.
void Exchange::begin_checks() {
    if (options_.health.interval <= Duration::zero()) return;
    const TimePoint first = base::monotonic_now() + options_.health.interval;
    for (std::size_t i = 0; i < services_.services().size(); ++i) {
        if (!services_.acknowledges_unseen(i))
            checks_.push_back({i, HealthCheck(options_.health, first)});
    }
    if (checks_.empty()) return;
    const std::lock_guard lock(timer_mutex_);
    poke_timer();
}

/// In the timer's thread: begins what is due, gives up on what takes too long. When to come again.
std::optional<TimePoint> Exchange::refresh_checks(TimePoint now) {
    std::vector<std::pair<std::size_t, std::uint64_t>> due;  ///< instances, and numbers of checks
    std::optional<TimePoint> wake;
    {
        const std::lock_guard lock(checks_mutex_);
        for (auto& [instance, check] : checks_) {
            if (const auto health = check.expire(now)) health_changed(instance, *health);
            if (const auto number = check.begin(now)) due.emplace_back(instance, *number);
            // One that runs may end before its time, and the next be due.
            const TimePoint then = std::min(check.wakes_at(), now + options_.health.interval);
            if (!wake || then < *wake) wake = then;
        }
    }
    for (const auto& [instance, number] : due) dispatcher_->check(instance, number);
    return wake;
}

/// In a worker.
void Exchange::check_ended(std::size_t instance, std::uint64_t number, CheckResult result) {
    const std::lock_guard lock(checks_mutex_);
    const auto found = std::ranges::lower_bound(checks_, instance, {}, &Check::instance);
    if (const auto health = found->check.finish(number, result)) health_changed(instance, *health);
}

void Exchange::health_changed(std::size_t instance, Health health) {
    states_.set_health(instance, health);
    const bool fails = health == Health::unhealthy;
    base::log::write(fails ? base::log::Level::warning : base::log::Level::info,
                     "service changed health",
                     {{"service", services_.name_of(instance)}, {"health", to_string(health)}});
}

}  // namespace crucible::runtime
