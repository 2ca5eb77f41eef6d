#include "lab/pace/schedule.h"

#include <chrono>
#include <cmath>
#include <utility>

namespace crucible::lab {
namespace {

Duration level_time(double position, double rate) {
    return Duration(std::llround(static_cast<long double>(position) / rate * 1e9L));
}

}  // namespace

std::uint64_t warmup_events(const Pattern& pattern, Duration warmup) noexcept {
    const double seconds = std::chrono::duration<double>(warmup).count();
    return static_cast<std::uint64_t>(std::llround(seconds * pattern.initial_rate()));
}

std::uint64_t whole_events(const Pattern& pattern) noexcept {
    return static_cast<std::uint64_t>(std::llround(pattern.events()));
}

Schedule::Schedule(Pattern pattern, Duration warmup, const Arrivals& arrivals, std::uint64_t seed)
    : pattern_(std::move(pattern)),
      arrivals_(arrivals),
      seed_(seed),
      warmup_events_(lab::warmup_events(pattern_, warmup)),
      pattern_start_(level_time(static_cast<double>(warmup_events_), pattern_.initial_rate())),
      gaps_(arrivals, seed) {}

Duration Schedule::time_of(double position) const noexcept {
    const auto warmup = static_cast<double>(warmup_events_);
    if (position >= warmup) return pattern_start_ + pattern_.time_of(position - warmup);
    return level_time(position, pattern_.initial_rate());
}

Duration Schedule::due(std::uint64_t index) {
    if (arrivals_.kind == Arrivals::Kind::constant) return time_of(static_cast<double>(index));
    if (index + 1 < next_index_) {
        gaps_ = Gaps(arrivals_, seed_);
        next_index_ = 0;
        gaps_sum_ = 0;
    }
    for (; next_index_ <= index; ++next_index_) gaps_sum_ += gaps_.next();
    return time_of(gaps_sum_);
}

}  // namespace crucible::lab
