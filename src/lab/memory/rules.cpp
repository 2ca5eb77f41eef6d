#include "lab/memory/rules.h"

#include <algorithm>

#include "lab/memory/growth.h"

namespace crucible::lab {
namespace {

/// Of the intervals of a last third: the promise of a verdict, whatever the intervals shown are.
constexpr double kLateLevel = 0.95;
/// Less than this share of the growth before is none to speak of.
constexpr double kVanishedShare = 0.5;

/// What does not depend on the other sites.
bool goes_on(const Course& course, const SpanRates& rates) {
    const auto& [events, values, unit] = course;
    if (stands_still(events, values)) return false;
    if (unit > 0 && is_straight(events, values, unit)) return true;
    return keeps_pace(rates) && outgrows_noise(events, values, rates) && !slows_down(rates);
}

double leak_p(const Course& course, const SpanRates& rates, double trend_p) {
    const auto& [events, values, unit] = course;
    if (unit > 0 && is_straight(events, values, unit)) return trend_p;
    return std::max(trend_p, drift_p(rates));
}

CourseVerdict judge_end_of_growth(const Course& course, const SpanRates& rates, double negligible) {
    const auto& [events, values, unit] = course;
    // What is left has to be shown as a leak has: by a line and against a walk, which is what the
    // bytes of a full cache do.
    const auto [line, walk] = late_slope(events, values, kLateLevel);
    if (std::min(line.interval.low, walk.low) <= 0 &&
        line.interval.high <= std::max(kVanishedShare * early_rate(rates), negligible)) {
        return {LeakVerdict::bounded_growth, "grew, and no longer in the last third"};
    }
    if (slows_down(rates)) {
        return still_slowing(events, values)
                   ? CourseVerdict{LeakVerdict::bounded_growth,
                                   "grows ever more slowly, in the last third too"}
                   : CourseVerdict{LeakVerdict::inconclusive,
                                   "grew more slowly towards the end, but did not stop"};
    }
    if (stands_still(events, values)) {
        return {LeakVerdict::inconclusive, "grew until shortly before the end"};
    }
    return {LeakVerdict::inconclusive, "grew, but as unevenly as random walks and steps do"};
}

}  // namespace

CourseTests test_course(const Course& course) {
    const double trend = rising_p(course.values);
    return {trend, leak_p(course, span_rates(course.events, course.values), trend)};
}

CourseVerdict judge_course(const Course& course, const CourseTests& adjusted, double alpha,
                           double slope_most, double negligible) {
    const auto rates = span_rates(course.events, course.values);
    if (adjusted.leak_p <= alpha && goes_on(course, rates)) {
        return {LeakVerdict::leak, "grows to the end, as fast as before"};
    }
    if (adjusted.trend_p <= alpha) return judge_end_of_growth(course, rates, negligible);
    if (slope_most <= negligible) return {LeakVerdict::clean, "does not grow"};
    return {LeakVerdict::inconclusive, "a leak could hide in how much it varies"};
}

CourseVerdict together(const CourseVerdict& bytes, const CourseVerdict& objects,
                       bool objects_rise) {
    // A cache whose entries differ in size: their bytes still rose by luck when it was full. Where
    // their number does not rise at all, it is the objects themselves that grow, and bytes decide.
    if (bytes.verdict == LeakVerdict::leak && objects.verdict != LeakVerdict::leak &&
        objects_rise) {
        return {LeakVerdict::inconclusive, "its bytes grow to the end, its objects did not"};
    }
    return objects.verdict > bytes.verdict ? objects : bytes;
}

bool grows_as_leaks_do(const Course& course, double alpha) {
    const auto rates = span_rates(course.events, course.values);
    return goes_on(course, rates) && leak_p(course, rates, 0) <= alpha &&
           rising_p(course.values) <= alpha;
}

}  // namespace crucible::lab
