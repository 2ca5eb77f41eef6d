#include "runtime/route/one_line.h"

#include <fmt/format.h>

#include <iterator>

namespace crucible::runtime {
namespace {

std::string escaped(std::string_view text, std::size_t bytes_max) {
    std::string out;
    for (const char c : text.substr(0, bytes_max)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
            fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
        } else {
            out += c;
        }
    }
    if (text.size() > bytes_max) out += "...";
    return out;
}

}  // namespace

std::string in_quotes(std::string_view text) {
    return "'" + escaped(text, 64) + "'";
}

std::string one_line(std::string_view text) {
    return escaped(text, 256);
}

}  // namespace crucible::runtime
