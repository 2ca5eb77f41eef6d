#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "base/assert.h"

namespace crucible::lab::stats {

/// A closed interval, low <= high.
struct Interval {
    double low = 0;
    double high = 0;

    friend bool operator==(const Interval&, const Interval&) = default;
};

/// The smallest interval holding both: covers whatever either of them covers.
inline Interval hull(const Interval& a, const Interval& b) noexcept {
    return {std::min(a.low, b.low), std::max(a.high, b.high)};
}

/// A location and the interval around it.
struct LocationEstimate {
    double estimate = 0;
    Interval interval;
    double level =
        0;  ///< the interval's coverage: for exact methods the achieved one, >= what was asked
};

/// Every function of this module wants finite values: a NaN would order itself anywhere and decide
/// a verdict.
inline void require_finite(std::span<const double> values) noexcept {
    for (const double value : values) CRUCIBLE_ASSERT(std::isfinite(value));
}

/// Levels are confidence levels in (0, 1), e.g. 0.95.
inline void require_level(double level) noexcept {
    CRUCIBLE_ASSERT(level > 0 && level < 1);
}

}  // namespace crucible::lab::stats
