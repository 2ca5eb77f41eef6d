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
    if (x.size() < 2 || y.size() < 2) return std::nullopt;
    const Moments a = moments(x);
    const Moments b = moments(y);
    const double squared_error = a.squared_error + b.squared_error;
    if (!(squared_error > 0)) return std::nullopt;
    const double freedom = squared_error * squared_error /
                           (a.squared_error * a.squared_error / (a.n - 1) +
                            b.squared_error * b.squared_error / (b.n - 1));
    return one_sided_tests(a.mean - b.mean, squared_error, freedom, low, high);
}

}  // namespace crucible::lab::stats
