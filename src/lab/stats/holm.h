#pragma once

#include <span>
#include <vector>

namespace crucible::lab::stats {

/// Holm's (1979) adjusted p-values in the order given: rejecting where adjusted <= alpha keeps the
/// chance of any false rejection in the family at alpha, however the tests depend on each other.
/// Values in [0, 1].
std::vector<double> holm_adjust(std::span<const double> p_values);

}  // namespace crucible::lab::stats
