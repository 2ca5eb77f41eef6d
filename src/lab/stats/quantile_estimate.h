#pragma once

#include <cstdint>
#include <span>

namespace crucible::lab::stats {

// Quantiles of small independent samples, such as one value per round.

/// Mean and standard deviation of a mixture of order statistics.
struct OrderStatisticMoments {
    double mean = 0;
    double standard_deviation = 0;
};

/// The mixture of ascending `sorted` (n >= 1, not empty) in which x_(i) has weight
/// I_{i/n}(a, b) - I_{(i-1)/n}(a, b), I the regularised incomplete beta function; a, b > 0.
/// - a = (n+1) p, b = (n+1) (1-p): mean is Harrell & Davis's (1982) estimate of quantile p, and the
///   deviation its Maritz-Jarrett standard error.
/// - a = k, b = n - k + 1: the exact mean and standard error of the bootstrap of x_(k), which
///   needs no resampling.
OrderStatisticMoments beta_weighted(std::span<const double> sorted, double a, double b);

/// Harrell-Davis estimate of quantile `p` in (0, 1) with its Maritz-Jarrett standard error.
OrderStatisticMoments harrell_davis(std::span<const double> sorted, double p);
/// Jackknife standard error of the Harrell-Davis estimate, as R's Hmisc::hdquantile. At least 2
/// values. O(n^2).
double harrell_davis_jackknife_error(std::span<const double> sorted, double p);

/// Exact bootstrap of the nearest-rank quantile x_(ceil(p n)).
OrderStatisticMoments nearest_rank_bootstrap(std::span<const double> sorted, double p);

/// Quantile `p` in [0, 1] of ascending `sorted` as defined by Hyndman & Fan (1996), by their
/// numbers: 1 is nearest rank, 7 what R and NumPy do unasked, 8 about median-unbiased.
enum class QuantileType : std::uint8_t { nearest_rank = 1, linear = 7, median_unbiased = 8 };
double sample_quantile(std::span<const double> sorted, double p, QuantileType type);

}  // namespace crucible::lab::stats
