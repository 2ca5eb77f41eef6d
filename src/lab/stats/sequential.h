#pragma once

#include <cstdint>
#include <span>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {

// Evidence that may be looked at after every round. An e-value has a mean of at most 1 while the
// hypothesis holds, whenever the looking stops; rejecting at 1/alpha or more is then wrong with
// probability at most alpha however often one looks (Ville 1939). All are returned as natural
// logarithms: 1,000 rounds reach values no double holds.

/// Evidence against "the sign of a difference is a fair coin", from `positive` of `n` signs:
/// ln(2^n B(s+1, n-s+1)), the mixture of Robbins (1970) over all biases.
double sign_log_e_value(std::uint64_t positive, std::uint64_t n);

/// Evidence against "the median is at most m", from `above` of `n` differences above m:
/// ln(2^(n+1) B(s+1, n-s+1) (1 - I_{1/2}(s+1, n-s+1))), the same mixture over biases above 1/2.
double one_sided_sign_log_e_value(std::uint64_t above, std::uint64_t n);

/// Evidence against "symmetric about zero": the mean over `lambdas` (not empty) of
/// prod exp(lambda d) / cosh(lambda d). Uses magnitudes, and pays for it where tails are heavy.
double sign_flip_log_e_value(std::span<const double> differences, std::span<const double> lambdas);

/// Asymptotic confidence sequence of the mean (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024):
/// covers at all numbers of values at once, once there are enough for a central limit. `rho` > 0
/// says where it is narrowest, see confidence_sequence_rho(). At least one value; of equal values
/// it is a point.
Interval confidence_sequence(std::span<const double> values, double level, double rho);

/// The rho that makes the sequence narrowest at `n` values.
double confidence_sequence_rho(double level, double n);

}  // namespace crucible::lab::stats
