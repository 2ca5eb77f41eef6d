#include "lab/stats/sequential.h"

#include <algorithm>
#include <boost/math/special_functions/beta.hpp>
#include <cmath>
#include <numbers>
#include <vector>

namespace crucible::lab::stats {
namespace {

double log_beta(double a, double b) {
    return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b);
}

}  // namespace

double sign_log_e_value(std::uint64_t positive, std::uint64_t n) {
    CRUCIBLE_ASSERT(positive <= n);
    const auto s = static_cast<double>(positive);
    const auto count = static_cast<double>(n);
    return count * std::numbers::ln2 + log_beta(s + 1, count - s + 1);
}

double one_sided_sign_log_e_value(std::uint64_t above, std::uint64_t n) {
    CRUCIBLE_ASSERT(above <= n);
    const auto s = static_cast<double>(above);
    const auto count = static_cast<double>(n);
    return sign_log_e_value(above, n) + std::numbers::ln2 +
           std::log(boost::math::ibetac(s + 1, count - s + 1, 0.5));
}

double sign_flip_log_e_value(std::span<const double> differences, std::span<const double> lambdas) {
    require_finite(differences);
    CRUCIBLE_ASSERT(!lambdas.empty());
    std::vector<double> logs;
    for (const double lambda : lambdas) {
        double sum = 0;
        for (const double d : differences) {
            const double x = std::abs(lambda * d);
            // ln cosh x without overflow: x + ln(1 + exp(-2x)) - ln 2.
            sum += lambda * d - (x + std::log1p(std::exp(-2 * x)) - std::numbers::ln2);
        }
        logs.push_back(sum);
    }
    const double largest = std::ranges::max(logs);
    double total = 0;
    for (const double log : logs) total += std::exp(log - largest);
    return largest + std::log(total / static_cast<double>(logs.size()));
}

Interval confidence_sequence(std::span<const double> values, double level, double rho) {
    require_finite(values);
    require_level(level);
    CRUCIBLE_ASSERT(!values.empty() && rho > 0);
    const auto t = static_cast<double>(values.size());
    double mean = 0;
    for (const double value : values) mean += value / t;
    double variance = 0;
    for (const double value : values) variance += (value - mean) * (value - mean) / t;
    const double scale = t * rho * rho;
    const double reach =
        std::sqrt(variance) *
        std::sqrt(2 * (scale + 1) / (t * scale) * std::log(std::sqrt(scale + 1) / (1 - level)));
    return {mean - reach, mean + reach};
}

double confidence_sequence_rho(double level, double n) {
    require_level(level);
    CRUCIBLE_ASSERT(n > 0);
    const double log_alpha = -2 * std::log(1 - level);
    return std::sqrt((log_alpha + std::log(log_alpha + 1)) / n);
}

}  // namespace crucible::lab::stats
