#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "crucible/error.h"
#include "crucible/event.h"

namespace crucible::runtime {

/// Appends `event` to `out` in the binary form of event.fbs.
/// - Errc::invalid_argument: larger than kEventBytesMax; `out` is as before.
Result<> encode_event(const Event& event, std::vector<std::byte>& out);

/// Reads what encode_event() wrote. Verifies the buffer first: any bytes are safe to pass. Reuses `event`'s memory.
/// - Errc::corrupt: not a whole, valid event. - Errc::invalid_argument: larger than kEventBytesMax.
Result<> decode_event(std::span<const std::byte> bytes, Event& event);

}  // namespace crucible::runtime
