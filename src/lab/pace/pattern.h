#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::lab {

/// One stretch of a pattern, with statistics of its own. Its rate is a function of the time since
/// its start; the integral of that rate says when each event is due.
struct Segment {
    enum class Shape : std::uint8_t {
        line,    ///< from `from` to `to`, straight
        sine,    ///< from + to sin(2 pi t / period): mean and amplitude
        bursts,  ///< `size` events at once every `period`
    };
    std::string name;  ///< what it is called in results: "base", "peak", "400/s"
    Shape shape = Shape::line;
    Duration duration{};
    double from = 0;  ///< events/s
    double to = 0;    ///< events/s
    Duration period{};
    std::uint64_t size = 0;

    /// Events due in the first `time` of it: the integral of its rate; of bursts those begun.
    double count_at(Duration time) const noexcept;
    /// When the integral reaches `count`, in [0, count_at(duration)).
    Duration time_of(double count) const noexcept;
    /// Events/s at `time`; of bursts their mean.
    double rate_at(Duration time) const noexcept;

    friend bool operator==(const Segment&, const Segment&) = default;
};

/// How the rate of arrivals moves over time: segments, one after the other. A pure value: the due
/// time of the i-th event is the time at which the integral of the rate reaches i, so at any moment
/// the number of events due is within one of that integral.
class Pattern {
public:
    static constexpr std::size_t kSegmentsMax = 100;
    static constexpr Duration kDurationMax = std::chrono::hours(24);
    /// What the ledger of one client can number.
    static constexpr double kEventsMax = 4e9;

    /// `rate` for `duration`.
    static Pattern steady(base::Rate rate, Duration duration);

    /// One or more of the following, joined by ';', each with an optional 'NAME=' before it:
    ///
    ///     steady:RATE,DURATION                      one rate
    ///     burst:SIZE,INTERVAL,COUNT                 SIZE events at once, COUNT times
    ///     ramp:FROM,TO,DURATION                     a straight change of the rate
    ///     spike:BASE,PEAK,PEAK_DURATION,DURATION    a peak in the middle of DURATION
    ///     step:FROM,TO,STEP,STEP_DURATION           a staircase, up or down
    ///     sine:MEAN,AMPLITUDE,PERIOD,DURATION       a wave, rising at its start; a day of 24h
    ///
    /// - Errc::invalid_argument: what is wrong with which part, and what is allowed.
    static Result<Pattern> parse(std::string_view text);

    /// The same rates for `factor` times as long, at least until there is an event; of bursts
    /// `factor` times as many, of a single one that so much larger. `factor` > 0.
    /// - Errc::invalid_argument: that is longer than a pattern may be, or too short for its parts.
    Result<Pattern> stretched(double factor) const;

    /// As parse() reads it; parse(text()) is equal.
    const std::string& text() const noexcept { return text_; }
    std::span<const Segment> segments() const noexcept { return segments_; }
    /// When segment `index` begins.
    Duration start_of(std::size_t index) const noexcept { return starts_[index]; }
    /// The segment of time `time` of the pattern; the last one after the end.
    std::size_t segment_at(Duration time) const noexcept;

    Duration duration() const noexcept { return duration_; }
    /// The integral of the rate over the whole pattern.
    double events() const noexcept { return events_; }
    double mean_rate() const noexcept;
    double peak_rate() const noexcept;  ///< of bursts their mean
    /// What a system is warmed up with before it: the rate at its start, the mean where that is 0.
    double initial_rate() const noexcept;
    /// One segment of one rate.
    bool is_steady() const noexcept;

    double count_at(Duration time) const noexcept;
    /// When the integral reaches `count`. Beyond events() the mean rate goes on.
    Duration time_of(double count) const noexcept;

    friend bool operator==(const Pattern& a, const Pattern& b) {
        return a.segments_ == b.segments_;
    }

private:
    Pattern(std::vector<Segment> segments, std::string text);

    std::string text_;
    std::vector<Segment> segments_;
    std::vector<Duration> starts_;
    std::vector<double> counts_;  ///< events before each segment
    Duration duration_{};
    double events_ = 0;
};

}  // namespace crucible::lab
