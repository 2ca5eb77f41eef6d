#pragma once

#include <array>
#include <optional>
#include <span>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {

/// Universal Scalability Law (Gunther 2007): throughput at load n is
///     X(n) = gamma n / (1 + alpha (n - 1) + beta n (n - 1)).
struct ScalabilityFit {
    double gamma = 0;                    ///< throughput of one
    double alpha = 0;                    ///< contention: the share that is serial, >= 0
    double beta = 0;                     ///< coherency: the cost of agreeing between each two, >= 0
    double residual_sum_of_squares = 0;  ///< weighted
    /// Standard error of a residual of weight 1, with divisor n - 3 also where a parameter is on
    /// its bound (as R's nls does); 0 with three points.
    double residual_error = 0;
    /// Of gamma, alpha, beta; none where a parameter lies on its bound of 0: there is no such error
    /// there.
    std::optional<std::array<double, 3>> standard_errors;
    /// Whose diagonal the errors are the roots of; where they are.
    std::optional<std::array<std::array<double, 3>, 3>> covariance;
    /// Load with the highest throughput, sqrt((1 - alpha) / beta); none while beta is 0: then
    /// throughput never falls.
    std::optional<double> peak;

    double at(double n) const noexcept {
        return gamma * n / (1 + alpha * (n - 1) + beta * n * (n - 1));
    }
};

/// Least squares with alpha, beta >= 0: a parameter that wants to be negative is 0, and the others
/// are fitted again. Of loads `n` > 0 and throughputs `x` > 0, three points or more. `weights` > 0
/// of the squared residuals, one each or none; 1 / x^2 where noise is a share of the throughput.
/// nullopt when the search does not converge.
std::optional<ScalabilityFit> fit_scalability(std::span<const double> n, std::span<const double> x,
                                              std::span<const double> weights = {});

/// The same without the bounds: alpha and beta may be negative. For intervals, which a bound would
/// cut from the estimate.
std::optional<ScalabilityFit> fit_scalability_unbounded(std::span<const double> n,
                                                        std::span<const double> x,
                                                        std::span<const double> weights = {});

}  // namespace crucible::lab::stats
