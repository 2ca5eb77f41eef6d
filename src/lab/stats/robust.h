#pragma once

#include <span>

namespace crucible::lab::stats {

/// Middle value, or the mean of the two middle ones. `values` is not empty.
double median(std::span<const double> values);
/// The same without a copy: reorders `values`, which are finite.
double median_in_place(std::span<double> values);

/// Median of |x - median(x)|, not scaled. `values` is not empty.
double median_absolute_deviation(std::span<const double> values);

/// MAD times this estimates the standard deviation of normal data: 1 / Phi^-1(3/4).
inline constexpr double kMadToSigma = 1.4826022185056018;

/// Quantile `p` in [0, 1] of ascending `sorted` (not empty) with linear interpolation between order
/// statistics at (n - 1) p: type 7 of Hyndman & Fan (1996), what R and NumPy do unasked.
double interpolated_quantile(std::span<const double> sorted, double p);

}  // namespace crucible::lab::stats
