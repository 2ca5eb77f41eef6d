#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "crucible/event.h"
#include "runtime/daemon/protocol.h"
#include "runtime/event/event_view.h"

namespace crucible::runtime::protocol {

/// Precedes the encoded event in the body of a publish or request: what routing needs to know, so
/// that an event is decoded only by who handles it. Behind it the type, the source, and the names
/// of the targets, each behind its length (two bytes); then zeros up to kAlignment, and the event.
struct EventHead {
    /// In `priority`: the event has a time before which nobody shall have it.
    static constexpr std::uint8_t kScheduledBit = 0x80;

    Uuid id;
    Category category = Category::custom;
    std::uint8_t priority = 0;  ///< a Priority, and kScheduledBit
    std::uint16_t type_bytes = 0;
    std::uint16_t source_bytes = 0;
    std::uint16_t targets = 0;  ///< at most kTargetsMax
    std::uint32_t targets_bytes = 0;
    std::uint32_t payload_bytes = 0;
};
static_assert(sizeof(EventHead) == 32);

/// The size of a frame with an event, and of its parts.
struct EventFrameSize {
    std::size_t head = 0;   ///< EventHead and the texts behind it
    std::size_t body = 0;   ///< without the padding behind it
    std::size_t frame = 0;  ///< all of it
};
/// - the errors of append_event().
Result<EventFrameSize> event_frame_size(const Event& event);
/// Writes the whole frame to `at`, which lies at a multiple of kAlignment.
void write_event_frame(const EventFrameSize& size, Kind kind, std::uint64_t token,
                       const Event& event, std::byte* at) noexcept;

/// Appends a frame with `event`. - Errc::invalid_argument: too large, or with a type, source or
/// name of a target beyond 65,535 bytes; `out` is as before.
Result<> append_event(Buffer& out, Kind kind, std::uint64_t token, const Event& event);

/// What a body says before it is decoded. Refers to the body and to the names read.
struct EventBody {
    Uuid id;
    EventView view;
    std::span<const std::byte> encoded;  ///< for decode_event(), which verifies it
};

/// `names` is the caller's memory for the names of targets. Where the peer may still change the
/// body, all but `encoded` is copied to `copy` first.
/// - Errc::corrupt: lengths that do not fit the body, unknown enumerators; without a message.
Result<EventBody> read_event(std::span<const std::byte> body, std::vector<std::string_view>& names,
                             Buffer* copy = nullptr);

/// Decodes the event into `event`. - the errors of decode_event(). - Errc::corrupt: the event is
/// not the one that its head announced, by which it was routed.
Result<> decode_body(const EventBody& body, Event& event);

}  // namespace crucible::runtime::protocol
