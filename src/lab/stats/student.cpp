#include "lab/stats/student.h"

#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <cstddef>

namespace crucible::lab::stats {
namespace {

struct Moments {
    double mean = 0;
    double squared_error = 0;  ///< variance of the mean: s^2 / n
    double n = 0;
};

Moments moments(std::span<const double> values) {
    require_finite(values);
    Moments result;
    result.n = static_cast<double>(values.size());
    for (const double value : values) result.mean += value;
    result.mean /= result.n;
    double squares = 0;
    for (const double value : values) squares += (value - result.mean) * (value - result.mean);
    result.squared_error = squares / (result.n - 1) / result.n;
    return result;
}

/// A difference of means with the variance of that difference.
struct Difference {
    double value = 0;
    double squared_error = 0;
    double freedom = 0;
};

std::optional<Difference> welch_difference(std::span<const double> x, std::span<const double> y) {
    if (x.size() < 2 || y.size() < 2) return std::nullopt;
    const Moments a = moments(x);
    const Moments b = moments(y);
    const double squared_error = a.squared_error + b.squared_error;
    if (!(squared_error > 0)) return std::nullopt;
    const double freedom = squared_error * squared_error /
                           (a.squared_error * a.squared_error / (a.n - 1) +
                            b.squared_error * b.squared_error / (b.n - 1));
    return Difference{a.mean - b.mean, squared_error, freedom};
}

std::optional<TTest> t_test(const Difference& difference, double level) {
    require_level(level);
    if (!(difference.squared_error > 0)) return std::nullopt;
    const double error = std::sqrt(difference.squared_error);
    const boost::math::students_t distribution(difference.freedom);
    const double reach = boost::math::quantile(distribution, (1 + level) / 2) * error;
    TTest result;
    result.difference = difference.value;
    result.t = difference.value / error;
    result.degrees_of_freedom = difference.freedom;
    result.p_value =
        2 * boost::math::cdf(boost::math::complement(distribution, std::abs(result.t)));
    result.p_less = boost::math::cdf(distribution, result.t);
    result.interval = {difference.value - reach, difference.value + reach};
    return result;
}

std::optional<EquivalenceTest> one_sided_tests(double difference, double squared_error,
                                               double freedom, double low, double high) {
    if (!(squared_error > 0)) return std::nullopt;
    const double error = std::sqrt(squared_error);
    const boost::math::students_t t(freedom);
    const double reach = boost::math::quantile(t, 0.95) * error;
    EquivalenceTest result;
    result.t_lower = (difference - low) / error;
    result.t_upper = (difference - high) / error;
    result.p_lower = boost::math::cdf(boost::math::complement(t, result.t_lower));
    result.p_upper = boost::math::cdf(t, result.t_upper);
    result.degrees_of_freedom = freedom;
    result.interval90 = {difference - reach, difference + reach};
    return result;
}

}  // namespace

std::optional<LocationEstimate> mean_interval(std::span<const double> values, double level) {
    require_level(level);
    if (values.size() < 2) return std::nullopt;
    const Moments m = moments(values);
    const boost::math::students_t t(m.n - 1);
    const double reach = boost::math::quantile(t, (1 + level) / 2) * std::sqrt(m.squared_error);
    return LocationEstimate{m.mean, {m.mean - reach, m.mean + reach}, level};
}

std::optional<TTest> welch_test(std::span<const double> x, std::span<const double> y,
                                double level) {
    const auto difference = welch_difference(x, y);
    return difference ? t_test(*difference, level) : std::nullopt;
}

std::optional<TTest> pooled_test(std::span<const double> x, std::span<const double> y,
                                 double level) {
    if (x.size() < 2 || y.size() < 2) return std::nullopt;
    const Moments a = moments(x);
    const Moments b = moments(y);
    const double freedom = a.n + b.n - 2;
    const double variance =
        (a.squared_error * a.n * (a.n - 1) + b.squared_error * b.n * (b.n - 1)) / freedom;
    return t_test({a.mean - b.mean, variance * (1 / a.n + 1 / b.n), freedom}, level);
}

std::optional<TTest> paired_test(std::span<const double> differences, double level) {
    if (differences.size() < 2) return std::nullopt;
    const Moments m = moments(differences);
    return t_test({m.mean, m.squared_error, m.n - 1}, level);
}

std::optional<EquivalenceTest> equivalence_test(std::span<const double> differences, double low,
                                                double high) {
    CRUCIBLE_ASSERT(low < high);
    if (differences.size() < 2) return std::nullopt;
    const Moments m = moments(differences);
    return one_sided_tests(m.mean, m.squared_error, m.n - 1, low, high);
}

std::optional<EquivalenceTest> equivalence_test(std::span<const double> x,
                                                std::span<const double> y, double low,
                                                double high) {
    CRUCIBLE_ASSERT(low < high);
    const auto difference = welch_difference(x, y);
    if (!difference) return std::nullopt;
    return one_sided_tests(difference->value, difference->squared_error, difference->freedom, low,
                           high);
}

}  // namespace crucible::lab::stats
