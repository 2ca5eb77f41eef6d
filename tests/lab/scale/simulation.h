#pragma once

#include <cmath>
#include <cstdlib>
#include <numbers>

#include "base/rng.h"

namespace crucible::lab::scale {

/// How many simulations of each kind the environment variable CRUCIBLE_SCALE_SIMULATIONS asks for.
/// Without it `few`, against limits that so few allow.
inline int simulations(int few) {
    const char* const asked = std::getenv("CRUCIBLE_SCALE_SIMULATIONS");
    return asked == nullptr ? few : std::atoi(asked);
}

/// Standard normal, by Box and Muller's transform.
inline double normal(base::Rng& rng) {
    const double radius = std::sqrt(2 * rng.exponential());
    return radius * std::cos(2 * std::numbers::pi * rng.uniform());
}

}  // namespace crucible::lab::scale
