#include "runtime/daemon/event_frame.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>

#include "runtime/daemon/bytes.h"
#include "runtime/event/wire.h"

namespace crucible::runtime::protocol {
namespace {

constexpr std::size_t kNameBytesMax = std::numeric_limits<std::uint16_t>::max();

std::unexpected<Error> corrupt() {
    return std::unexpected(Error{Errc::corrupt, {}});
}

Result<> check_lengths(const Event& event) {
    const auto check = [](std::string_view what, std::string_view text,
                          std::size_t most = kNameBytesMax) -> Result<> {
        if (text.size() <= most) return {};
        return std::unexpected(
            Error{Errc::invalid_argument,
                  fmt::format("{} of {} bytes: at most {} are allowed", what, text.size(), most)});
    };
    // It counts for nothing in the limits of queues: the head does not name it.
    if (auto type = check("content type", event.content_type, kContentTypeBytesMax); !type)
        return type;
    if (auto type = check("type", event.type); !type) return type;
    if (auto source = check("source", event.source); !source) return source;
    for (const auto& target : event.targets)
        if (auto name = check("target", target); !name) return name;
    return {};
}

std::size_t head_bytes(const Event& event) {
    std::size_t bytes = sizeof(EventHead) + event.type.size() + event.source.size();
    for (const auto& target : event.targets) bytes += sizeof(std::uint16_t) + target.size();
    return bytes;
}

void write_head(const Event& event, std::size_t bytes, std::byte* at) noexcept {
    const std::size_t texts = sizeof(EventHead) + event.type.size() + event.source.size();
    const EventHead head{
        .id = event.id,
        .category = event.category,
        .priority = static_cast<std::uint8_t>(static_cast<unsigned>(event.priority) |
                                              (event.not_before ? EventHead::kScheduledBit : 0u)),
        .type_bytes = static_cast<std::uint16_t>(event.type.size()),
        .source_bytes = static_cast<std::uint16_t>(event.source.size()),
        .targets = static_cast<std::uint16_t>(event.targets.size()),
        .targets_bytes = static_cast<std::uint32_t>(bytes - texts),
        .payload_bytes = static_cast<std::uint32_t>(event.payload.size())};
    const auto put = [&at](const void* from, std::size_t size) {
        std::memcpy(at, from, size);
        at += size;
    };
    put(&head, sizeof head);
    put(event.type.data(), event.type.size());
    put(event.source.data(), event.source.size());
    for (const auto& target : event.targets) {
        const auto size = static_cast<std::uint16_t>(target.size());
        put(&size, sizeof size);
        put(target.data(), target.size());
    }
}

std::string_view take(std::span<const std::byte>& rest, std::size_t bytes) noexcept {
    const std::string_view text(reinterpret_cast<const char*>(rest.data()), bytes);
    rest = rest.subspan(bytes);
    return text;
}

}  // namespace

Result<EventFrameSize> event_frame_size(const Event& event) {
    const auto encoded = encoded_bytes(event);
    if (!encoded) return std::unexpected(encoded.error());
    if (auto lengths = check_lengths(event); !lengths) return std::unexpected(lengths.error());
    const std::size_t head = head_bytes(event);
    const std::size_t body = padded(head) + *encoded;
    return EventFrameSize{head, body, sizeof(FrameHeader) + padded(body)};
}

void write_event_frame(const EventFrameSize& size, Kind kind, std::uint64_t token,
                       const Event& event, std::byte* at) noexcept {
    const FrameHeader header{static_cast<std::uint32_t>(size.body), kind, {}, token};
    std::memcpy(at, &header, sizeof header);
    // Zeros for the padding, before what stands in front of it is written.
    const auto zero_last = [at](std::size_t end) {
        std::memset(at + end - kAlignment, 0, kAlignment);
    };
    const std::size_t encoded = sizeof header + padded(size.head);
    zero_last(size.frame);
    zero_last(encoded);
    write_head(event, size.head, at + sizeof header);
    encode_event(event, at + encoded);
}

Result<> append_event(Buffer& out, Kind kind, std::uint64_t token, const Event& event) {
    const auto size = event_frame_size(event);
    if (!size) return std::unexpected(size.error());
    const std::size_t start = out.size();
    out.resize(start + size->frame);
    write_event_frame(*size, kind, token, event, out.data() + start);
    return {};
}

Result<EventBody> read_event(std::span<const std::byte> body, std::vector<std::string_view>& names,
                             Buffer* copy) {
    if (body.size() < sizeof(EventHead)) return corrupt();
    const auto head = read_object<EventHead>(body);
    const bool scheduled = (head.priority & EventHead::kScheduledBit) != 0;
    const unsigned priority = head.priority & ~unsigned{EventHead::kScheduledBit};
    if (static_cast<std::size_t>(head.category) >= kCategoryCount || priority >= kPriorityCount ||
        head.targets > kTargetsMax)
        return corrupt();
    const std::size_t texts = std::size_t{head.type_bytes} + head.source_bytes + head.targets_bytes;
    const std::size_t encoded_at = padded(sizeof(EventHead) + texts);
    if (encoded_at > body.size()) return corrupt();
    EventBody result{.id = head.id, .view = {}, .encoded = body.subspan(encoded_at)};
    auto rest = body.subspan(sizeof(EventHead), texts);
    if (copy != nullptr) {
        copy->assign(rest.begin(), rest.end());
        rest = *copy;
    }
    result.view = {.category = head.category,
                   .priority = static_cast<Priority>(priority),
                   .type = take(rest, head.type_bytes),
                   .source = take(rest, head.source_bytes),
                   .targets = {},
                   .payload_bytes = head.payload_bytes,
                   .scheduled = scheduled};
    if (head.targets == 0) return rest.empty() ? Result<EventBody>(result) : corrupt();
    names.clear();
    for (std::uint16_t i = 0; i < head.targets; ++i) {
        std::uint16_t bytes = 0;
        if (rest.size() < sizeof bytes) return corrupt();
        std::memcpy(&bytes, rest.data(), sizeof bytes);
        rest = rest.subspan(sizeof bytes);
        if (rest.size() < bytes) return corrupt();
        names.push_back(take(rest, bytes));
    }
    if (!rest.empty()) return corrupt();
    result.view.targets = std::span<const std::string_view>(names);
    return result;
}

Result<> decode_body(const EventBody& body, Event& event) {
    if (auto decoded = decode_event(body.encoded, event); !decoded) return decoded;
    const auto& view = body.view;
    bool same = event.id == body.id && event.category == view.category &&
                event.priority == view.priority && event.type == view.type &&
                event.source == view.source && event.payload.size() == view.payload_bytes &&
                event.targets.size() == view.targets.size() &&
                event.not_before.has_value() == view.scheduled &&
                event.content_type.size() <= kContentTypeBytesMax;
    for (std::size_t i = 0; same && i < event.targets.size(); ++i)
        same = event.targets[i] == view.targets[i];
    if (!same) return corrupt();
    return {};
}

}  // namespace crucible::runtime::protocol
