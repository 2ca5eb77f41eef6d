#include "lab/target/queue_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <utility>

namespace crucible::lab {
namespace {

constexpr std::uint64_t kServiceStream = 101;

/// Standard normal, by Box and Muller.
double normal(base::Rng& random) noexcept {
    const double radius = std::sqrt(2 * random.exponential());
    return radius * std::cos(2 * std::numbers::pi * random.uniform());
}

}  // namespace

Result<Distribution> parse_distribution(std::string_view name) {
    for (const auto distribution :
         {Distribution::constant, Distribution::exponential, Distribution::lognormal}) {
        if (name == to_string(distribution)) return distribution;
    }
    return std::unexpected(
        Error{Errc::invalid_argument,
              fmt::format("distribution '{}': must be constant, exponential or lognormal", name)});
}

std::string_view to_string(Distribution distribution) noexcept {
    switch (distribution) {
        case Distribution::constant:
            return "constant";
        case Distribution::exponential:
            return "exponential";
        case Distribution::lognormal:
            return "lognormal";
    }
    std::unreachable();
}

std::int64_t QueueModel::service_ns() const noexcept {
    const auto mean = options_->service.count();
    if (options_->distribution == Distribution::constant) return mean;
    // Of the event's number alone: the same events in the same order take the same time.
    auto random = base::Rng::at(options_->seed, kServiceStream, state_->accepted);
    double factor = 0;
    if (options_->distribution == Distribution::exponential) {
        factor = random.exponential();
    } else {
        // exp(N(-s^2/2, s^2)) has mean 1 and a coefficient of variation of 1 for s^2 = ln 2.
        constexpr double kVariance = std::numbers::ln2;
        factor = std::exp(std::sqrt(kVariance) * normal(random) - kVariance / 2);
    }
    return std::llround(static_cast<double>(mean) * factor);
}

std::int64_t QueueModel::worked(std::int64_t time) const noexcept {
    const auto period = options_->stall.period.count();
    if (period == 0) return time;
    const std::int64_t since = time - state_->first_ns;
    const std::int64_t begun = since / period;
    if (begun == 0) return time;
    const std::int64_t length = options_->stall.length.count();
    return time - (begun - 1) * length - std::min(since - begun * period, length);
}

std::int64_t QueueModel::time_of(std::int64_t work) const noexcept {
    const auto period = options_->stall.period.count();
    if (period == 0) return work;
    // Between two stalls period - length of work is done, before the first a whole period.
    const std::int64_t length = options_->stall.length.count();
    const std::int64_t since = work - state_->first_ns;
    if (since <= period) return work;
    const std::int64_t stalls = 1 + (since - period - 1) / (period - length);
    return work + stalls * length;
}

std::optional<TimePoint> QueueModel::arrive(TimePoint at) noexcept {
    const std::uint64_t event = state_->accepted;
    const std::int64_t now = at.time_since_epoch().count();
    if (event == 0) state_->first_ns = now;
    // Service begins in the order of arrival: as many wait as allowed exactly when the one so many
    // places ahead has not begun.
    const bool bounded = !begins_.empty();
    if (bounded && event >= begins_.size() && begins_[event % begins_.size()] > now)
        return std::nullopt;
    // Never used yet, a worker is free since the beginning of time.
    std::int64_t begin = std::max(now, ends_.front());
    if (event > 0) begin = std::max(begin, state_->last_begin_ns + options_->interval.count());
    // A service that would begin in a stall begins at its end: when the next bit of work is done.
    begin = std::max(begin, time_of(worked(begin) + 1) - 1);
    const bool again = options_->retry.count() > 0 && begin - now > options_->retry.count();
    const std::int64_t service = service_ns() * (again ? 2 : 1);
    const std::int64_t end = std::max(begin, time_of(worked(begin) + service));
    std::ranges::pop_heap(ends_, std::greater{});
    ends_.back() = end;
    std::ranges::push_heap(ends_, std::greater{});
    if (bounded) begins_[event % begins_.size()] = begin;
    state_->last_begin_ns = begin + (again ? options_->interval.count() : 0);
    state_->accepted = event + 1;
    return TimePoint(Duration(end));
}

}  // namespace crucible::lab
