#include "base/utf8.h"

namespace crucible::base {

Utf8Character first_utf8(std::string_view text) noexcept {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const std::uint32_t lead = byte(0);
    if (lead < 0x80) return {lead, 1};
    if (lead < 0xc2 || lead > 0xf4) return {};
    const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (text.size() < bytes) return {};
    std::uint32_t point = lead & (0x7fu >> bytes);
    for (std::size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xc0u) != 0x80) return {};
        point = point << 6u | (byte(i) & 0x3fu);
    }
    constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};  // fewer bytes would do
    const bool surrogate = point >= 0xd800 && point <= 0xdfff;
    if (point < least[bytes] || point > 0x10ffff || surrogate) return {};
    return {point, bytes};
}

}  // namespace crucible::base
