#include "runtime/event/uuid.h"

#include <algorithm>

namespace crucible::runtime {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::size_t kTextLength = 36;

constexpr bool dash_at(std::size_t position) noexcept {
    return position == 8 || position == 13 || position == 18 || position == 23;
}

std::optional<std::uint8_t> hex_value(char digit) noexcept {
    if (digit >= '0' && digit <= '9') return static_cast<std::uint8_t>(digit - '0');
    if (digit >= 'a' && digit <= 'f') return static_cast<std::uint8_t>(digit - 'a' + 10);
    if (digit >= 'A' && digit <= 'F') return static_cast<std::uint8_t>(digit - 'A' + 10);
    return std::nullopt;
}

}  // namespace

Uuid make_uuid_v7(WallTime now, base::Rng& random) noexcept {
    const auto since_epoch = std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch());
    const auto milliseconds =
        static_cast<std::uint64_t>(std::max<std::int64_t>(since_epoch.count(), 0));
    const std::uint64_t high = random.next();
    const std::uint64_t low = random.next();
    Uuid id;
    for (std::size_t i = 0; i < 6; ++i)
        id.bytes[i] = static_cast<std::uint8_t>(milliseconds >> (40 - 8 * i));
    id.bytes[6] = static_cast<std::uint8_t>(0x70u | ((high >> 8) & 0x0fu));
    id.bytes[7] = static_cast<std::uint8_t>(high);
    for (std::size_t i = 0; i < 8; ++i)
        id.bytes[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
    id.bytes[8] = static_cast<std::uint8_t>(0x80u | (id.bytes[8] & 0x3fu));
    return id;
}

std::string to_string(const Uuid& id) {
    std::string text;
    text.reserve(kTextLength);
    for (const auto byte : id.bytes) {
        if (dash_at(text.size())) text += '-';
        text += kHexDigits[byte >> 4];
        text += kHexDigits[byte & 0x0f];
    }
    return text;
}

std::optional<Uuid> parse_uuid(std::string_view text) noexcept {
    if (text.size() != kTextLength) return std::nullopt;
    Uuid id;
    std::size_t position = 0;
    for (auto& byte : id.bytes) {
        if (dash_at(position)) {
            if (text[position] != '-') return std::nullopt;
            ++position;
        }
        const auto high = hex_value(text[position]);
        const auto low = hex_value(text[position + 1]);
        if (!high || !low) return std::nullopt;
        byte = static_cast<std::uint8_t>(*high << 4 | *low);
        position += 2;
    }
    return id;
}

}  // namespace crucible::runtime
