#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace crucible::lab::stats {

// Values in the order of time, equally spaced: how much each says about the next. All functions
// want more values than lags and at least two different ones; a constant series has no correlation
// and none is made up for it.

/// Sample autocorrelations at lags 1..lags, with divisor n (Box & Jenkins), as R's acf().
std::vector<double> autocorrelations(std::span<const double> values, std::size_t lags);

/// Ljung & Box's (1978) test of "no autocorrelation up to `lags`": Q = n (n+2) sum r_k^2 / (n-k),
/// chi-squared with `lags` degrees of freedom.
struct LjungBox {
    double q = 0;
    double p_value = 1;
};
LjungBox ljung_box(std::span<const double> values, std::size_t lags);

/// n (1 - phi) / (1 + phi): how many independent values say as much about the mean as these, phi
/// the Yule-Walker estimate of a first-order autoregression, which is the lag-1 autocorrelation.
/// Above n where neighbours alternate.
double effective_sample_size(std::span<const double> values);

/// Level statistic of Kwiatkowski, Phillips, Schmidt & Shin (1992) with Bartlett weights up to
/// `lags`. Above kKpssCritical5 the level is not constant (at 5 %).
double kpss_level(std::span<const double> values, std::size_t lags);
inline constexpr double kKpssCritical5 = 0.463;

}  // namespace crucible::lab::stats
