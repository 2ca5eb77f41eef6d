#include "lab/profile/utf8.h"

#include <cstddef>

#include "base/text.h"

namespace crucible::lab {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

bool continues(char letter) {
    return (static_cast<unsigned char>(letter) & 0xc0) == 0x80;
}

/// The length of the valid character that `text` begins with; 0: it begins with none.
std::size_t character_length(std::string_view text) {
    const auto first = static_cast<unsigned char>(text.front());
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
    for (const char letter : text.substr(1, length - 1)) {
        if (!continues(letter)) return 0;
    }
    const auto second = static_cast<unsigned char>(text[1]);
    // Longer than need be, halves of UTF-16 pairs, and what is behind U+10FFFF.
    const bool refused = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                         (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
    return refused ? 0 : length;
}

}  // namespace

std::string valid_utf8(std::string_view text) {
    std::string valid;
    valid.reserve(text.size());
    while (!text.empty()) {
        const auto length = character_length(text);
        valid += length == 0 ? kReplacement : text.substr(0, length);
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return valid;
}

std::string xml_text(std::string_view text) {
    std::string writable;
    for (const char letter : valid_utf8(text)) {
        if (static_cast<unsigned char>(letter) >= 0x20) {
            writable += letter;
        } else {
            writable += kReplacement;
        }
    }
    return base::escape_html(writable);
}

std::string cut_to(std::string_view text, std::size_t letters) {
    std::size_t kept_end = 0;  // behind all but the last two of them
    std::size_t count = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (continues(text[at])) continue;
        if (count + 2 == letters) kept_end = at;
        if (++count > letters) return std::string(text.substr(0, kept_end)) + "..";
    }
    return std::string(text);
}

}  // namespace crucible::lab
