#include "runtime/daemon/protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "base/text.h"
#include "runtime/daemon/bytes.h"

namespace crucible::runtime::protocol {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the protocol's structs are little-endian as they lie");

std::unexpected<Error> corrupt(std::string message) {
    return std::unexpected(Error{Errc::corrupt, std::move(message)});
}

void append_header(Buffer& out, Kind kind, std::size_t body_bytes, std::uint64_t token) {
    append_object(out, FrameHeader{static_cast<std::uint32_t>(body_bytes), kind, {}, token});
}

bool valid(Outcome outcome) noexcept {
    return outcome <= Outcome::expired;
}

}  // namespace

std::size_t frame_bytes(std::span<const std::byte> bytes) noexcept {
    if (bytes.size() < sizeof(FrameHeader)) return 0;
    return sizeof(FrameHeader) + padded(read_object<FrameHeader>(bytes).body_bytes);
}

Result<std::optional<Frame>> next_frame(std::span<const std::byte> bytes) {
    if (bytes.size() < sizeof(FrameHeader)) return std::nullopt;
    const auto header = read_object<FrameHeader>(bytes);
    // Checked before the body is there: garbage must not make us wait for, or make room for,
    // gigabytes.
    if (header.kind < Kind::hello || header.kind > Kind::credit) {
        return corrupt(
            fmt::format("a frame of unknown kind {}", static_cast<unsigned>(header.kind)));
    }
    if (std::ranges::any_of(header.zero, [](std::uint8_t byte) { return byte != 0; })) {
        return corrupt("a frame whose reserved bytes are not zero");
    }
    if (header.body_bytes > kBodyBytesMax) {
        return corrupt(fmt::format("a frame of {} bytes, over the limit of {}", header.body_bytes,
                                   kBodyBytesMax));
    }
    const std::size_t whole = sizeof(FrameHeader) + padded(header.body_bytes);
    if (bytes.size() < whole) return std::nullopt;
    return Frame{header, bytes.subspan(sizeof(FrameHeader), header.body_bytes), whole};
}

Result<> check_header(const FrameHeader& header, bool greeted) {
    const auto limit = [&](std::string_view what, std::size_t bytes_max) -> Result<> {
        if (header.body_bytes <= bytes_max) return {};
        return corrupt(fmt::format("a {} of {} bytes, over the limit of {}", what,
                                   header.body_bytes, bytes_max));
    };
    if (!greeted) {
        if (header.kind != Kind::hello) return corrupt("the client did not greet");
        return limit("greeting", kHelloBytesMax);
    }
    return header.kind == Kind::ask ? limit("question", kQuestionBytesMax) : Result<>();
}

void append_greeting(Buffer& out, Kind kind, const Greeting& greeting) {
    append_header(out, kind, sizeof(Greeting), 0);
    append_object(out, greeting);
}

Result<> check_greeting(const Frame& frame, Kind expected, std::string_view peer) {
    // Other versions have the same beginning, and not the same length.
    if (frame.header.kind != expected || frame.body.size() < offsetof(Greeting, credit)) {
        return corrupt(fmt::format("the {} did not greet", peer));
    }
    Greeting greeting;
    std::memcpy(static_cast<void*>(&greeting), frame.body.data(), offsetof(Greeting, credit));
    if (greeting.magic != kMagic) return corrupt(fmt::format("the {} is not a crucible", peer));
    if (greeting.version != kVersion) {
        return std::unexpected(Error{
            Errc::unsupported, fmt::format("the {} speaks protocol version {}, this is version {}",
                                           peer, greeting.version, kVersion)});
    }
    if (frame.body.size() < sizeof(Greeting))
        return corrupt(fmt::format("the {} did not greet", peer));
    return {};
}

Greeting greeting_of(const Frame& frame) noexcept {
    return read_object<Greeting>(frame.body);
}

void append_refusal(Buffer& out, Errc code, std::string_view reason) {
    append_header(out, Kind::refuse, reason.size(), static_cast<std::uint64_t>(code));
    append_text(out, reason);
    append_padding(out, reason.size());
}

void append_goodbye(Buffer& out) {
    append_empty(out, Kind::goodbye);
}

void append_empty(Buffer& out, Kind kind, std::uint64_t token) {
    append_header(out, kind, 0, token);
}

void append_text_frame(Buffer& out, Kind kind, std::uint64_t token, std::string_view text) {
    append_header(out, kind, text.size(), token);
    append_text(out, text);
    append_padding(out, text.size());
}

std::string_view text_of(const Frame& frame) noexcept {
    return as_text(frame.body);
}

void append_acknowledgements(Buffer& out, std::span<const AcknowledgementEntry> entries) {
    constexpr std::size_t entries_max = kEventBytesMax / sizeof(AcknowledgementEntry);
    while (!entries.empty()) {
        const auto some = entries.first(std::min(entries.size(), entries_max));
        append_header(out, Kind::acknowledge, some.size_bytes(), 0);
        const auto bytes = std::as_bytes(some);
        out.insert(out.end(), bytes.begin(), bytes.end());
        entries = entries.subspan(some.size());
    }
}

Result<> read_acknowledgements(const Frame& frame, std::uint64_t events_max,
                               std::vector<Acknowledgement>& out) {
    auto rest = frame.body;
    if (rest.size() % sizeof(AcknowledgementEntry) != 0)
        return corrupt("acknowledgements of a broken length");
    for (; !rest.empty(); rest = rest.subspan(sizeof(AcknowledgementEntry))) {
        const auto entry = read_object<AcknowledgementEntry>(rest);
        if (!valid(entry.outcome)) return corrupt("an acknowledgement with an unknown outcome");
        if (entry.count > events_max)
            return corrupt("an acknowledgement of more events than there are");
        events_max -= entry.count;
        for (std::uint64_t i = 0; i < entry.count; ++i)
            out.push_back({entry.token + i, entry.outcome});
    }
    return {};
}

void append_response(Buffer& out, std::uint64_t token, const HandleResult& result) {
    constexpr std::size_t reason_bytes_max = 2048;
    if (result.response.size() > kEventBytesMax) {
        const HandleResult too_large{
            Outcome::failed, {}, "the response is larger than an event may be"};
        return append_response(out, token, too_large);
    }
    const auto reason = std::string_view(result.reason).substr(0, reason_bytes_max);
    const std::size_t body_bytes = sizeof(ResponseHead) + result.response.size() + reason.size();
    append_header(out, Kind::response, body_bytes, token);
    append_object(
        out, ResponseHead{result.outcome, {}, static_cast<std::uint32_t>(result.response.size())});
    append_text(out, result.response);
    append_text(out, reason);
    append_padding(out, body_bytes);
}

Result<Response> read_response(const Frame& frame) {
    if (frame.body.size() < sizeof(ResponseHead)) return corrupt("a response of a broken length");
    const auto head = read_object<ResponseHead>(frame.body);
    const auto text = as_text(frame.body.subspan(sizeof(ResponseHead)));
    if (!valid(head.outcome) || head.payload_bytes > text.size())
        return corrupt("a broken response");
    return Response{head.outcome, std::string(text.substr(0, head.payload_bytes)),
                    std::string(text.substr(head.payload_bytes))};
}

Error refusal_of(const Frame& frame) {
    const auto code = static_cast<Errc>(
        std::min<std::uint64_t>(frame.header.token, static_cast<std::uint64_t>(Errc::failed)));
    const auto reason = text_of(frame);
    return {code,
            reason.empty() ? "the daemon refused and gave no reason" : base::one_line(reason)};
}

}  // namespace crucible::runtime::protocol
