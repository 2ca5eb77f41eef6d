#include "runtime/coordinator/exchange_options.h"

#include <string>
#include <utility>

#include "runtime/route/rule_file.h"

namespace crucible::runtime {

Result<ExchangeOptions> exchange_options(const CoordinatorOptions& options) {
    const auto wrong = [](const char* name, const char* allowed = "at least 1") {
        return std::unexpected(
            Error{Errc::invalid_argument, std::string(name) + " must be " + allowed});
    };
    if (options.workers == 0) return wrong("workers");
    if (options.queue_events_max == 0) return wrong("the queue limit in events");
    if (options.queue_bytes_max == 0) return wrong("the queue limit in bytes");
    if (options.service_events_max == 0) return wrong("the limit of events of one service");
    if (options.retry.attempts_max == 0) return wrong("the attempts of an event");
    if (options.retry.base <= Duration::zero() || options.retry.cap < options.retry.base)
        return wrong("the delay of retries", "above 0 and at most their longest delay");
    const auto& breaker = options.breaker;
    if (breaker.failures_in_a_row == 0 || breaker.calls_min == 0 || breaker.probes_max == 0 ||
        breaker.probes_to_close == 0 || !(breaker.failure_share > 0) || breaker.failure_share > 1)
        return wrong("the thresholds of circuit breakers", "above 0, a share at most 1");
    if (breaker.window < std::chrono::milliseconds(1) || breaker.open_for <= Duration::zero())
        return wrong("the times of circuit breakers", "at least 1 ms");
    const auto& health = options.health;
    if (health.interval < Duration::zero() || health.timeout <= Duration::zero() ||
        health.rise == 0 || health.fall == 0)
        return wrong("the times and numbers of health checks", "above 0, the interval 0 or more");
    if (options.repeat_window < Duration::zero())
        return wrong("the window of repeats", "0 or more");
    if (options.repeat_events_max == 0 || options.repeat_events_max > SeenEvents::kEventsMax)
        return wrong("the number of events in the window of repeats", "from 1 to 100,000,000");
    if (options.dead_letters.events_max == 0) return wrong("the number of dead letters");
    const bool repeats = options.repeat_window > Duration::zero();
    return ExchangeOptions{.dispatch = {.workers = options.workers,
                                        .batch_max = options.batch_max,
                                        .service_events_max = options.service_events_max,
                                        .concurrency = options.concurrency},
                           .queue_events_max = options.queue_events_max,
                           .queue_bytes_max = options.queue_bytes_max,
                           .overflow = options.overflow,
                           .retry = options.retry,
                           .breaker = breaker,
                           .health = options.health,
                           .seen = {.events_max = repeats ? options.repeat_events_max : 0,
                                    .window = options.repeat_window},
                           .dead_letters = options.dead_letters};
}

Result<> load_rules(const CoordinatorOptions& options, RuleBook& rules) {
    if (options.rules.empty()) return {};
    auto read = read_rules(options.rules);
    if (!read) return std::unexpected(read.error());
    auto replaced = rules.replace(std::move(*read));
    if (!replaced) {
        return std::unexpected(
            Error{replaced.error().code, options.rules.string() + ": " + replaced.error().message});
    }
    return {};
}

}  // namespace crucible::runtime
