#include "lab/stats/serial.h"

#include <boost/math/distributions/chi_squared.hpp>
#include <cmath>
#include <numeric>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {
namespace {

std::vector<double> centred(std::span<const double> values) {
    require_finite(values);
    const double mean =
        std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
    std::vector<double> result(values.begin(), values.end());
    for (double& value : result) value -= mean;
    return result;
}

/// Sum over t of e_t e_{t+lag}.
double lagged_products(const std::vector<double>& e, std::size_t lag) {
    double sum = 0;
    for (std::size_t t = lag; t < e.size(); ++t) sum += e[t] * e[t - lag];
    return sum;
}

}  // namespace

std::vector<double> autocorrelations(std::span<const double> values, std::size_t lags) {
    CRUCIBLE_ASSERT(values.size() > lags);
    const auto e = centred(values);
    const double variance = lagged_products(e, 0);
    CRUCIBLE_ASSERT(variance > 0);
    std::vector<double> result;
    for (std::size_t lag = 1; lag <= lags; ++lag) {
        result.push_back(lagged_products(e, lag) / variance);
    }
    return result;
}

LjungBox ljung_box(std::span<const double> values, std::size_t lags) {
    CRUCIBLE_ASSERT(lags >= 1);
    const auto correlations = autocorrelations(values, lags);
    const auto n = static_cast<double>(values.size());
    LjungBox result;
    for (std::size_t k = 1; k <= lags; ++k) {
        const double r = correlations[k - 1];
        result.q += r * r / (n - static_cast<double>(k));
    }
    result.q *= n * (n + 2);
    const boost::math::chi_squared chi(static_cast<double>(lags));
    result.p_value = boost::math::cdf(boost::math::complement(chi, result.q));
    return result;
}

double effective_sample_size(std::span<const double> values) {
    const double phi = autocorrelations(values, 1).front();
    return static_cast<double>(values.size()) * (1 - phi) / (1 + phi);
}

double kpss_level(std::span<const double> values, std::size_t lags) {
    CRUCIBLE_ASSERT(values.size() > lags);
    const auto e = centred(values);
    const auto n = static_cast<double>(e.size());
    double partial = 0;
    double squares = 0;
    for (const double value : e) {
        partial += value;
        squares += partial * partial;
    }
    double long_run_variance = lagged_products(e, 0) / n;
    for (std::size_t lag = 1; lag <= lags; ++lag) {
        const double weight = 1 - static_cast<double>(lag) / (static_cast<double>(lags) + 1);
        long_run_variance += 2 * weight * lagged_products(e, lag) / n;
    }
    CRUCIBLE_ASSERT(long_run_variance > 0);
    return squares / (n * n) / long_run_variance;
}

}  // namespace crucible::lab::stats
