#include "lab/profile/utf8.h"

#include <cstddef>

#include "base/text.h"
#include "base/utf8.h"

namespace crucible::lab {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

bool continues(char letter) {
    return (static_cast<unsigned char>(letter) & 0xc0) == 0x80;
}

}  // namespace

std::string valid_utf8(std::string_view text) {
    std::string valid;
    valid.reserve(text.size());
    while (!text.empty()) {
        const auto length = base::first_utf8(text).bytes;
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
