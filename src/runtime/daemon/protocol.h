#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/uninitialized.h"
#include "crucible/coordinator.h"
#include "crucible/error.h"

/// The daemon's wire protocol, as docs/formats/protocol.md describes it. Little-endian, like every
/// machine we run on.
namespace crucible::runtime::protocol {

inline constexpr std::uint32_t kVersion = 4;
inline constexpr std::uint64_t kMagic = 0x454c424943555243u;  ///< "CRUCIBLE" in memory

enum class Kind : std::uint8_t {
    hello = 1,        ///< client: Greeting. The first frame of a session.
    welcome = 2,      ///< daemon: Greeting. The answer to hello.
    refuse = 3,       ///< daemon: Errc in the token, the reason as text; then it closes
    publish = 4,      ///< client: token, EventHead and an encoded event (event_frame.h)
    acknowledge = 5,  ///< daemon: any number of AcknowledgementEntry
    request = 6,      ///< client: token, EventHead and an encoded event
    response = 7,     ///< daemon: token, ResponseHead, payload, reason
    goodbye = 8,      ///< either: nothing will follow but acknowledgements
    ask = 9,          ///< client: token, a question about the daemon as JSON
    tell = 10,        ///< daemon: the question's token, the answer as JSON
    // Services outside the daemon (service_frame.h):
    subscribe = 11,    ///< client: a Subscription; from then on it is a service
    subscribed = 12,   ///< daemon: the subscription is accepted
    deliver = 13,      ///< daemon: the delivery's number in the token, EventHead, encoded event
    settle = 14,       ///< client: any number of settlements
    grant = 15,        ///< client: so many credits more in the token
    unsubscribe = 16,  ///< client: deliver no more; daemon: nothing more will be delivered
    credit = 17,       ///< daemon: the client's credit, as in Greeting, in the token
};

/// Precedes every body. Bodies are padded with zeros to kAlignment, so that every frame of a stream
/// that began aligned is aligned, and an event can be read where it was received.
struct FrameHeader {
    std::uint32_t body_bytes = 0;  ///< without the padding
    Kind kind = Kind::hello;
    std::uint8_t zero[3] = {};
    std::uint64_t token = 0;
};
static_assert(sizeof(FrameHeader) == 16);
inline constexpr std::size_t kAlignment = 8;

/// Largest body: an event of kEventBytesMax with room for its head, whose texts are parts of it, or
/// for what a response adds to it.
inline constexpr std::size_t kBodyBytesMax = 2 * kEventBytesMax;
inline constexpr std::size_t kQuestionBytesMax = 64u << 10;  ///< of an ask
/// Of a hello. It has sizeof(Greeting); another version's is to be told that it is another.
inline constexpr std::size_t kHelloBytesMax = 256;

struct Greeting {
    std::uint64_t magic = kMagic;
    std::uint32_t version = kVersion;
    std::uint32_t flags = 0;  ///< kSharesMemory; others have no meaning
    /// Of the daemon: another publish or request may be sent while those of the session have fewer
    /// bytes together, as whole frames. Only ever raised, by frames of kind `credit`.
    std::uint64_t credit = 0;
};
static_assert(sizeof(Greeting) == 24);
/// Client: I want the stream to go on in shared memory. Daemon: so it does, and here it is.
inline constexpr std::uint32_t kSharesMemory = 1;

/// The same end of the events `token`, `token` + 1, … : with tokens that count up, one entry stands
/// for all that ended since the last.
struct AcknowledgementEntry {
    std::uint64_t token = 0;
    Outcome outcome = Outcome::handled;
    std::uint8_t zero[3] = {};
    std::uint32_t count = 1;
};
static_assert(sizeof(AcknowledgementEntry) == 16);

struct ResponseHead {
    Outcome outcome = Outcome::handled;
    std::uint8_t zero[3] = {};
    std::uint32_t payload_bytes = 0;  ///< the reason fills the rest of the body
};
static_assert(sizeof(ResponseHead) == 8);

/// Bytes that resize() adds have no value yet.
using Buffer = std::vector<std::byte, base::UninitializedAllocator<std::byte>>;

constexpr std::size_t padded(std::size_t bytes) noexcept {
    return (bytes + kAlignment - 1) & ~(kAlignment - 1);
}

struct Frame {
    FrameHeader header;
    std::span<const std::byte> body;
    std::size_t bytes = 0;  ///< header, body and padding
    bool shared = false;    ///< the peer may still change the body
};

/// The first frame in `bytes`: nothing when it is not whole yet.
/// - Errc::corrupt: these bytes are no frame of this protocol; the message says why.
Result<std::optional<Frame>> next_frame(std::span<const std::byte> bytes);

/// Whether a frame that a client sends may have that header: before it has greeted only a small
/// hello, and later no question that is too long. - Errc::corrupt: the message says which.
Result<> check_header(const FrameHeader& header, bool greeted);

/// Bytes of the first frame in `bytes`, for making room for it; 0 while the header is not whole.
std::size_t frame_bytes(std::span<const std::byte> bytes) noexcept;

inline constexpr std::size_t kGreetingFrameBytes = sizeof(FrameHeader) + sizeof(Greeting);
void append_greeting(Buffer& out, Kind kind, const Greeting& greeting = {});
/// - Errc::corrupt: not a greeting. - Errc::unsupported: another version than ours; the message
/// names both.
Result<> check_greeting(const Frame& frame, Kind expected, std::string_view peer);
/// Of a frame that was checked.
Greeting greeting_of(const Frame& frame) noexcept;

void append_refusal(Buffer& out, Errc code, std::string_view reason);
void append_goodbye(Buffer& out);
/// A frame that says all by its kind and token.
void append_empty(Buffer& out, Kind kind, std::uint64_t token = 0);

/// A question or its answer; `text` is at most kBodyBytesMax.
void append_text_frame(Buffer& out, Kind kind, std::uint64_t token, std::string_view text);
/// The body of such a frame.
std::string_view text_of(const Frame& frame) noexcept;
/// Why the daemon refused, in one line, from a frame of kind `refuse`.
Error refusal_of(const Frame& frame);

void append_acknowledgements(Buffer& out, std::span<const AcknowledgementEntry> entries);
/// Appends one Acknowledgement for each event to `out`. - Errc::corrupt: a broken frame, or one
/// that ends more than `events_max` events.
Result<> read_acknowledgements(const Frame& frame, std::uint64_t events_max,
                               std::vector<Acknowledgement>& out);

/// A response too large for a frame becomes `failed` with that reason.
void append_response(Buffer& out, std::uint64_t token, const HandleResult& result);
/// - Errc::corrupt.
Result<Response> read_response(const Frame& frame);

}  // namespace crucible::runtime::protocol
