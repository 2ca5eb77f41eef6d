// Exchange: what people and their tools see of it, and dead letters.
#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "runtime/dispatch/exchange.h"

namespace crucible::runtime {

Result<> Exchange::drain(Duration limit) {
    waiters_.fetch_add(1);
    std::unique_lock lock(waiters_mutex_);
    // Bounded, so that adding Duration::max() to the clock's time cannot overflow.
    const Duration wait = std::min<Duration>(limit, std::chrono::hours(24 * 365));
    const bool done =
        progressed_.wait_for(lock, wait, [this] { return ended_.load() == published_.load(); });
    waiters_.fetch_sub(1);
    if (!done) return std::unexpected(Error{Errc::timeout, {}});
    return {};
}

void Exchange::close() noexcept {
    closed_.store(true);
    tell_waiters();
}

CoordinatorStats Exchange::stats() const noexcept {
    CoordinatorStats stats;
    const auto count = [](const auto& counts, Outcome outcome) {
        return counts[static_cast<std::size_t>(outcome)].load();
    };
    // Ended before published: an event that ends in between is then counted as queued, never below
    // zero.
    const auto handled = count(outcomes_, Outcome::handled);
    const auto rejected = count(outcomes_, Outcome::rejected);
    const auto failed = count(outcomes_, Outcome::failed);
    const auto expired = count(outcomes_, Outcome::expired);
    const auto published = published_.load();
    stats.queued = published - handled - rejected - failed - expired;
    stats.handled = handled + count(at_once_, Outcome::handled);
    stats.rejected = rejected + count(at_once_, Outcome::rejected);
    stats.failed = failed + count(at_once_, Outcome::failed);
    stats.expired = expired + count(at_once_, Outcome::expired);
    stats.published = stats.queued + stats.handled + stats.rejected + stats.failed + stats.expired;
    return stats;
}

ExchangeReport Exchange::report() const {
    ExchangeReport report{.events = stats(),
                          .queued_bytes = queued_bytes_.load(),
                          .shed = shed_.load(),
                          .retries = retries_.load(),
                          .waiting_for_retry = 0,
                          .scheduled = 0,
                          .seen = seen_ ? seen_->stats() : SeenEvents::Stats{},
                          .dead_letters = {}};
    {
        const std::lock_guard lock(timer_mutex_);
        report.waiting_for_retry = retrying_.size() - scheduled_;
        report.scheduled = scheduled_;
    }
    const std::lock_guard lock(dead_mutex_);
    report.dead_letters = dead_letters_.stats();
    return report;
}

std::vector<InstanceReport> Exchange::instances() const {
    std::vector<InstanceReport> reports;
    for (std::size_t i = 0; i < services_.size(); ++i) {
        auto name = services_.name_of(i);
        if (name.empty()) continue;  // a place that nobody has
        reports.push_back({.index = i,
                           .name = std::move(name),
                           .category = services_.category_of(i),
                           .breaker = instances_[i].breaker.state(),
                           .health = states_.health(i),
                           .events = dispatcher_->events_of(i),
                           .handed_over = instances_[i].handed_over.load(),
                           .failed = instances_[i].failed.load()});
    }
    return reports;
}

void Exchange::read_dead_letters(
    const std::function<void(const std::deque<DeadLetter>&)>& look) const {
    const std::lock_guard lock(dead_mutex_);
    look(dead_letters_.letters());
}

Result<> Exchange::replay(std::uint64_t number) {
    std::optional<DeadLetter> letter;
    {
        const std::lock_guard lock(dead_mutex_);
        letter = dead_letters_.take(number);
    }
    if (!letter) return std::unexpected(Error{Errc::not_found, "no such dead letter"});
    auto event = letter->event();
    if (!event) return std::unexpected(event.error());
    Event again = *event;
    again.attempt = 1;
    // Whoever replays it knows that it is late; it would expire, and be no letter any more.
    if (again.deadline && *again.deadline < base::wall_now()) again.deadline.reset();
    if (seen_) seen_->forget(again.id);
    auto taken = take({again.id, view_of(again), kNobody, 0, base::monotonic_now()},
                      *rules_.table(), [&](Event& target) {
                          target = again;
                          return Result<>();
                      });
    const bool refused = taken && *taken && (*taken)->outcome != Outcome::handled;
    if (taken && !refused) return {};
    // One that has failed at once is a dead letter again already.
    if (!refused || (*taken)->outcome != Outcome::failed) {
        const std::lock_guard lock(dead_mutex_);
        (void)dead_letters_.add(*event, {.reason = letter->reason,
                                         .attempts = letter->attempts,
                                         .first_failed = letter->first_failed,
                                         .last_failed = letter->last_failed});
    }
    if (refused) return std::unexpected(Error{Errc::failed, std::move((*taken)->reason)});
    return std::unexpected(taken.error());
}

Result<> Exchange::discard(std::uint64_t number) {
    const std::lock_guard lock(dead_mutex_);
    if (!dead_letters_.take(number))
        return std::unexpected(Error{Errc::not_found, "no such dead letter"});
    return {};
}

}  // namespace crucible::runtime
