#pragma once

#include <chrono>

#include "crucible/time.h"

namespace crucible {

/// When the time of a test begins that has its own: some time after the clock's epoch, so that what
/// is before it can be said too.
inline constexpr TimePoint kStart = TimePoint{} + std::chrono::hours(1);

}  // namespace crucible
