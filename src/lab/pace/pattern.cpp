#include "lab/pace/pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "base/assert.h"

namespace crucible::lab {
namespace {

double seconds(Duration time) {
    return std::chrono::duration<double>(time).count();
}

Duration from_seconds(long double time) {
    return Duration(std::llround(time * 1e9L));
}

/// The area under a straight line from `from` to `to` over `length`, up to `time`.
double line_count(double from, double to, double length, double time) {
    if (from == to) return from * time;
    return from * time + (to - from) * time * time / (2 * length);
}

/// Solves line_count(time) = count in the form that loses no digits where the slope is small.
long double line_time(long double from, long double to, long double length, long double count) {
    if (count <= 0) return 0;
    const long double root =
        std::sqrt(std::max(0.0L, from * from + 2 * (to - from) / length * count));
    return 2 * count / (from + root);
}

double sine_count(double mean, double amplitude, double period, double time) {
    const double angle = 2 * std::numbers::pi / period;
    return mean * time + amplitude / angle * (1 - std::cos(angle * time));
}

/// Solves sine_count(time) = count. The integral never falls (amplitude <= mean), so that halving
/// finds the place; where the rate is not near zero, Newton's step finds it in a few.
double sine_time(double mean, double amplitude, double period, double count) {
    const double of_period = mean * period;
    const double periods = std::floor(count / of_period);
    const double rest = count - periods * of_period;
    double low = 0;
    double high = period;
    double time = rest / mean;
    constexpr double kClose = 1e-10;
    while (high - low > kClose) {
        const double error = sine_count(mean, amplitude, period, time) - rest;
        (error > 0 ? high : low) = time;
        const double rate = mean + amplitude * std::sin(2 * std::numbers::pi / period * time);
        double next = rate > 0 ? time - error / rate : low;
        if (!(next > low && next < high)) next = low + (high - low) / 2;
        if (std::abs(next - time) < kClose) return periods * period + next;
        time = next;
    }
    return periods * period + time;
}

}  // namespace

double Segment::count_at(Duration time) const noexcept {
    switch (shape) {
        case Shape::line:
            return line_count(from, to, seconds(duration), seconds(time));
        case Shape::sine:
            return sine_count(from, to, seconds(period), seconds(time));
        case Shape::bursts: {
            const auto last = duration / period - 1;
            const auto begun = time < Duration::zero() ? 0 : std::min(time / period, last) + 1;
            return static_cast<double>(begun) * static_cast<double>(size);
        }
    }
    std::unreachable();
}

Duration Segment::time_of(double count) const noexcept {
    switch (shape) {
        case Shape::line:
            if (from == to) return from_seconds(static_cast<long double>(count) / from);
            return from_seconds(line_time(from, to, seconds(duration), count));
        case Shape::sine:
            return from_seconds(sine_time(from, to, seconds(period), count));
        case Shape::bursts:
            return static_cast<std::int64_t>(count / static_cast<double>(size)) * period;
    }
    std::unreachable();
}

double Segment::rate_at(Duration time) const noexcept {
    switch (shape) {
        case Shape::line:
            return from + (to - from) * seconds(time) / seconds(duration);
        case Shape::sine:
            return from + to * std::sin(2 * std::numbers::pi * seconds(time) / seconds(period));
        case Shape::bursts:
            return static_cast<double>(size) / seconds(period);
    }
    std::unreachable();
}

Pattern::Pattern(std::vector<Segment> segments, std::string text)
    : text_(std::move(text)), segments_(std::move(segments)) {
    CRUCIBLE_ASSERT(!segments_.empty());
    for (const auto& segment : segments_) {
        starts_.push_back(duration_);
        counts_.push_back(events_);
        duration_ += segment.duration;
        events_ += segment.count_at(segment.duration);
    }
}

Pattern Pattern::steady(base::Rate rate, Duration duration) {
    const double events = rate.events_per_second();
    Segment segment{.name = "steady", .duration = duration, .from = events, .to = events};
    return Pattern({std::move(segment)}, fmt::format("steady:{}/s,{}ns", events, duration.count()));
}

std::size_t Pattern::segment_at(Duration time) const noexcept {
    const auto after = std::ranges::upper_bound(starts_, time);
    return after == starts_.begin() ? 0 : static_cast<std::size_t>(after - starts_.begin()) - 1;
}

double Pattern::mean_rate() const noexcept {
    return events_ / seconds(duration_);
}

double Pattern::peak_rate() const noexcept {
    double peak = 0;
    for (const auto& segment : segments_) {
        const double own = segment.shape == Segment::Shape::sine
                               ? segment.from + segment.to
                               : std::max(segment.rate_at({}), segment.rate_at(segment.duration));
        peak = std::max(peak, own);
    }
    return peak;
}

double Pattern::initial_rate() const noexcept {
    const double initial = segments_.front().rate_at({});
    return initial > 0 ? initial : mean_rate();
}

bool Pattern::is_steady() const noexcept {
    const auto& first = segments_.front();
    return segments_.size() == 1 && first.shape == Segment::Shape::line && first.from == first.to;
}

double Pattern::count_at(Duration time) const noexcept {
    if (time >= duration_) return events_ + mean_rate() * seconds(time - duration_);
    const std::size_t index = segment_at(time);
    return counts_[index] + segments_[index].count_at(time - starts_[index]);
}

Duration Pattern::time_of(double count) const noexcept {
    if (count >= events_) {
        return duration_ + from_seconds(static_cast<long double>(count - events_) / mean_rate());
    }
    const auto after = std::ranges::upper_bound(counts_, count);
    const auto index = static_cast<std::size_t>(after - counts_.begin()) - 1;
    const auto& segment = segments_[index];
    return starts_[index] + std::min(segment.time_of(count - counts_[index]), segment.duration);
}

}  // namespace crucible::lab
