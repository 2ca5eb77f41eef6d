#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "crucible/error.h"
#include "crucible/event.h"

namespace crucible::runtime {

/// Most service instances that one event may name.
inline constexpr std::size_t kTargetsMax = 1024;

/// Appends `event` to `out` in the binary form of event.fbs.
/// - Errc::invalid_argument: larger than kEventBytesMax, or more than kTargetsMax targets; `out` is
/// as before.
Result<> encode_event(const Event& event, std::vector<std::byte>& out);

/// What `event` takes in that form, a multiple of 4. - the errors of encode_event().
Result<std::size_t> encoded_bytes(const Event& event);
/// Writes encoded_bytes() to `at`, which must lie at a multiple of 8.
void encode_event(const Event& event, std::byte* at) noexcept;

/// Reads what encode_event() wrote. Verifies the buffer first: any bytes are safe to pass. An
/// address that is no multiple of 8 costs a copy. Reuses `event`'s memory; after an error `event`
/// is as before.
/// - Errc::corrupt: not a whole, valid event, or one that encode_event() would refuse; without a
///   message, so that a flood of them allocates nothing.
/// - Errc::invalid_argument: larger than kEventBytesMax.
Result<> decode_event(std::span<const std::byte> bytes, Event& event);

}  // namespace crucible::runtime
