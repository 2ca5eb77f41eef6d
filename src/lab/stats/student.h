#pragma once

#include <optional>
#include <span>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {

/// Mean with Student's t interval. For values of independent rounds. nullopt below two values.
std::optional<LocationEstimate> mean_interval(std::span<const double> values, double level);

/// Student's test of "the difference of the means is zero", and the interval of that difference.
struct TTest {
    double difference = 0;
    double t = 0;
    double degrees_of_freedom = 0;
    double p_value = 1;  ///< two-sided
    double p_less = 1;   ///< against a difference below zero
    Interval interval;   ///< of the difference, at the level asked
};
/// Of mean(x) - mean(y), independent samples of unequal variances (Welch 1947; Satterthwaite's
/// degrees of freedom). nullopt below two values on a side, or when both sides are constant.
std::optional<TTest> welch_test(std::span<const double> x, std::span<const double> y, double level);
/// The same with one variance for both sides.
std::optional<TTest> pooled_test(std::span<const double> x, std::span<const double> y,
                                 double level);
/// Of the mean of paired differences. nullopt below two values or when all are equal.
std::optional<TTest> paired_test(std::span<const double> differences, double level);

/// Two one-sided t tests of "the difference lies outside (low, high)" (Schuirmann 1987).
struct EquivalenceTest {
    double t_lower = 0;  ///< against difference <= low
    double t_upper = 0;  ///< against difference >= high
    double p_lower = 0;
    double p_upper = 0;
    double degrees_of_freedom = 0;
    Interval interval90;  ///< inside (low, high) exactly when both tests reject at 5 %
    double p_value() const noexcept { return p_lower > p_upper ? p_lower : p_upper; }
};
/// Of paired differences. nullopt below two values or when all are equal (no t exists).
std::optional<EquivalenceTest> equivalence_test(std::span<const double> differences, double low,
                                                double high);
/// Of mean(x) - mean(y), unequal variances (Welch; Satterthwaite's degrees of freedom). nullopt
/// below two values on a side, or when both sides are constant.
std::optional<EquivalenceTest> equivalence_test(std::span<const double> x,
                                                std::span<const double> y, double low, double high);

}  // namespace crucible::lab::stats
