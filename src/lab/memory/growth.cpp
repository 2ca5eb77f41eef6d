#include "lab/memory/growth.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "base/assert.h"
#include "lab/stats/student.h"
#include "lab/stats/trend.h"

namespace crucible::lab {
namespace {

constexpr std::size_t kEarlySpans = kSpans - kLateSpans;
/// A third of the pace would be a cache that is nearly full, the whole of it is what a leak has.
constexpr double kPaceShare = 0.5;
constexpr double kPaceLevel = 0.95;
/// A leak of a megabyte is one, though a cache of a kilobyte filled beside it.
constexpr double kSlowedShare = 0.9;
constexpr double kSlowingLevel = 0.99;
constexpr double kStillSlowingLevel = 0.95;
constexpr double kStraightUnitsMin = 9;

/// The value before span `span`, and the last one for kSpans.
std::size_t begin_of(std::size_t span, std::size_t values) {
    CRUCIBLE_ASSERT(values > kSpans);
    return values - 1 - (kSpans - span) * (values - 1) / kSpans;
}

struct Moments {
    double mean = 0;
    double squares = 0;  ///< about the mean
};

Moments moments(std::span<const double> values) {
    Moments result;
    for (const double value : values) result.mean += value;
    result.mean /= static_cast<double>(values.size());
    for (const double value : values) {
        result.squares += (value - result.mean) * (value - result.mean);
    }
    return result;
}

/// t of "late - share * early", one variance for both. Infinite where the rates of each do not
/// differ at all, which is what a leak of the same block in each iteration looks like.
double late_against_early(const SpanRates& rates, double share) {
    const auto early = moments(std::span(rates).first<kEarlySpans>());
    const auto late = moments(std::span(rates).last<kLateSpans>());
    const double difference = late.mean - share * early.mean;
    const double variance = (early.squares + late.squares) / (kSpans - 2);
    const double error = std::sqrt(variance * (1.0 / kLateSpans + share * share / kEarlySpans));
    if (difference == 0) return 0;
    if (error == 0) return std::copysign(std::numeric_limits<double>::infinity(), difference);
    return difference / error;
}

/// Of Student's t as late_against_early() has it, one-sided.
double critical_t(double level) {
    return boost::math::quantile(boost::math::students_t(kSpans - 2), level);
}

bool falls(std::span<const double> values, double level) {
    const auto trend = stats::mann_kendall(values);
    return trend.s < 0 && trend.p_value / 2 <= 1 - level;
}

/// Of each iteration of the last third.
std::vector<double> late_rates(std::span<const double> events, std::span<const double> values) {
    const auto late_events = last_third(events);
    const auto late = last_third(values);
    std::vector<double> rates;
    for (std::size_t i = 1; i < late.size(); ++i) {
        rates.push_back((late[i] - late[i - 1]) / (late_events[i] - late_events[i - 1]));
    }
    return rates;
}

}  // namespace

SpanRates span_rates(std::span<const double> events, std::span<const double> values) {
    CRUCIBLE_ASSERT(events.size() == values.size());
    SpanRates rates{};
    for (std::size_t span = 0; span < kSpans; ++span) {
        const std::size_t begin = begin_of(span, values.size());
        const std::size_t end = begin_of(span + 1, values.size());
        rates[span] = (values[end] - values[begin]) / (events[end] - events[begin]);
    }
    return rates;
}

std::span<const double> last_third(std::span<const double> values) {
    return values.subspan(begin_of(kSpans - kLateSpans, values.size()));
}

double early_rate(const SpanRates& rates) {
    return moments(std::span(rates).first<kEarlySpans>()).mean;
}

double late_rate(const SpanRates& rates) {
    return moments(std::span(rates).last<kLateSpans>()).mean;
}

double rising_p(std::span<const double> values) {
    const auto trend = stats::mann_kendall(values);
    return trend.s > 0 ? trend.p_value : 1;
}

double drift_p(const SpanRates& rates) {
    const double mean = moments(rates).mean;
    if (!(mean > 0)) return 1;
    const auto test = stats::paired_test(rates, kPaceLevel);
    return test ? test->p_value : 0;
}

bool keeps_pace(const SpanRates& rates) {
    static const double critical = critical_t(kPaceLevel);
    return late_against_early(rates, kPaceShare) >= critical;
}

bool slows_down(const SpanRates& rates) {
    static const double critical = critical_t(kSlowingLevel);
    if (late_rate(rates) > kSlowedShare * early_rate(rates)) return false;
    return late_against_early(rates, 1) <= -critical || falls(rates, kSlowingLevel);
}

bool stands_still(std::span<const double> events, std::span<const double> values) {
    std::size_t maximum_at = 0;
    std::size_t longest = 0;
    double most_events = 0;
    for (std::size_t i = 1; i < values.size(); ++i) {
        if (values[i] <= values[maximum_at]) continue;
        longest = std::max(longest, i - maximum_at);
        most_events = std::max(most_events, events[i] - events[maximum_at]);
        maximum_at = i;
    }
    if (values.size() - 1 - maximum_at < longest) return false;
    // Where every iteration has one, one without is a stop, however short it was. Else the longest
    // of several short iterations is no longer than that of few long ones.
    return longest == 1 || events.back() - events[maximum_at] >= most_events;
}

bool outgrows_noise(std::span<const double> events, std::span<const double> values,
                    const SpanRates& rates) {
    const double rate = moments(rates).mean;
    double lowest = std::numeric_limits<double>::infinity();
    double highest = -lowest;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double about_line = values[i] - rate * events[i];
        lowest = std::min(lowest, about_line);
        highest = std::max(highest, about_line);
    }
    return rate * (events.back() - events.front()) > highest - lowest;
}

bool is_straight(std::span<const double> events, std::span<const double> values, double unit) {
    if (values.back() - values.front() < kStraightUnitsMin * unit) return false;
    // Slopes that every pair of values allows.
    double least = -std::numeric_limits<double>::infinity();
    double most = -least;
    for (std::size_t i = 0; i < values.size(); ++i) {
        for (std::size_t j = i + 1; j < values.size(); ++j) {
            const double gain = values[j] - values[i];
            const double length = events[j] - events[i];
            least = std::max(least, (gain - unit) / length);
            most = std::min(most, (gain + unit) / length);
        }
        if (least >= most) return false;
    }
    return true;
}

LateSlope late_slope(std::span<const double> events, std::span<const double> values, double level) {
    return {stats::theil_sen(last_third(events), last_third(values), level),
            stats::mean_interval(late_rates(events, values), level)->interval};
}

bool still_slowing(std::span<const double> events, std::span<const double> values) {
    return falls(late_rates(events, values), kStillSlowingLevel);
}

stats::Interval drift_interval(const SpanRates& rates, double level) {
    return stats::mean_interval(rates, level)->interval;
}

}  // namespace crucible::lab
