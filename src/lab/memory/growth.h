#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "lab/stats/interval.h"

namespace crucible::lab {

// What the rules of leak.h look at, of one course: bytes (or objects) held over events handled, one
// value per iteration. The increments of the iterations are put together in nine spans of equally
// many iterations, or one more. Each span's rate is its gain per event.

inline constexpr std::size_t kSpans = 9;
/// The last of them are the last third.
inline constexpr std::size_t kLateSpans = 3;
using SpanRates = std::array<double, kSpans>;

/// `events` handled up to each value, rising; as many as values, more than kSpans.
SpanRates span_rates(std::span<const double> events, std::span<const double> values);
/// The values from the start of the last third on: three spans and the value before them.
std::span<const double> last_third(std::span<const double> values);

/// The mean of the rates before the last third, and in it.
double early_rate(const SpanRates& rates);
double late_rate(const SpanRates& rates);

/// Two-sided p-value of "no trend": Mann-Kendall; 1 when it does not rise. Noise about a level does
/// not deceive it, a random walk does.
double rising_p(std::span<const double> values);
/// Two-sided p-value of "no drift": Student's test of the rates; 1 when their mean is not positive.
/// A random walk does not deceive it, nor a few steps; noise about a level only weakens it.
double drift_p(const SpanRates& rates);

/// The last third gains at least half as much per event as the rest, at 95 %.
bool keeps_pace(const SpanRates& rates);
/// The last third gains less per event than the rest, or the rates fall all along, at 99 %; by a
/// tenth at least.
bool slows_down(const SpanRates& rates);
/// No new maximum for at least as many iterations, and events, as it ever took from one to the
/// next; for one iteration where each of the others had one. Something that fills up, and was full
/// shortly before the end.
bool stands_still(std::span<const double> events, std::span<const double> values);
/// It gained more than it varies about its own line, from lowest to highest. A saw-tooth whose
/// flushes nearly keep step with every second or third iteration rises like a leak and never does.
bool outgrows_noise(std::span<const double> events, std::span<const double> values,
                    const SpanRates& rates);
/// Some straight line lies within one `unit` of all of it, which gained at least nine units: the
/// course of a block per so many events, which iterations of other lengths cut into uneven steps.
/// Nine steps at random times come so even once in some thousand times.
bool is_straight(std::span<const double> events, std::span<const double> values, double unit);
/// The slope of the last third: Sen's interval, and Student's of the iterations' rates.
struct LateSlope {
    stats::LocationEstimate line;
    stats::Interval walk;
};
LateSlope late_slope(std::span<const double> events, std::span<const double> values, double level);
/// In the last third each iteration gains less than the one before, at 95 %.
bool still_slowing(std::span<const double> events, std::span<const double> values);

/// Student's interval of the rates' mean.
stats::Interval drift_interval(const SpanRates& rates, double level);

}  // namespace crucible::lab
