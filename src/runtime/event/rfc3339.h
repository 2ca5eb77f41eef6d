#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "crucible/time.h"

namespace crucible::runtime {

/// UTC with all nine digits: "2018-04-05T17:31:00.000000000Z". Such texts sort by time.
/// Clamped to the years 1678-2261.
std::string to_rfc3339(WallTime time);

/// Any date-time of RFC 3339: with offset, with or without a fraction, of which digits after the
/// ninth are dropped. Nothing for other forms, dates that do not exist, and years outside
/// 1678-2261, which WallTime cannot hold. A leap second counts as the first second after it, as in
/// Unix time.
std::optional<WallTime> parse_rfc3339(std::string_view text) noexcept;

}  // namespace crucible::runtime
