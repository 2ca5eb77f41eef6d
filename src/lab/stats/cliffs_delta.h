#pragma once

#include <optional>
#include <span>

#include "lab/stats/interval.h"

namespace crucible::lab::stats {

/// How far two samples lie apart, whatever their units: delta = P(x > y) - P(x < y), in [-1, 1].
struct CliffsDelta {
    double delta = 0;
    double a12 = 0.5;  ///< Vargha & Delaney's A12 = (delta + 1) / 2 = P(x > y) + P(x = y)/2
    double standard_error = 0;         ///< consistent estimate (Cliff 1996), at least sqrt of
                                       ///< (1 - delta^2) / (nm - 1)
    std::optional<Interval> interval;  ///< asymmetric normal; none at |delta| = 1, where it has no
                                       ///< width and means nothing
};

/// Of independent samples of two or more values each. O(nm).
CliffsDelta cliffs_delta(std::span<const double> x, std::span<const double> y, double level);

}  // namespace crucible::lab::stats
