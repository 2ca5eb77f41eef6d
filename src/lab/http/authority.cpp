#include "lab/http/authority.h"

#include <charconv>

namespace crucible::lab {

std::optional<Authority> parse_authority(std::string_view text, std::uint16_t default_port) {
    Authority authority{.host = {}, .port = default_port};
    std::string_view port;
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == std::string_view::npos) return std::nullopt;
        authority.host = text.substr(1, close - 1);
        port = text.substr(close + 1);
        if (!port.empty() && !port.starts_with(':')) return std::nullopt;
    } else {
        const auto colon = text.find(':');
        authority.host = text.substr(0, colon);
        if (colon != std::string_view::npos) port = text.substr(colon);
    }
    if (authority.host.empty() || authority.host.find_first_of(" \t@") != std::string::npos)
        return std::nullopt;
    if (port.empty()) return authority;
    const auto* end = port.data() + port.size();
    const auto [rest, status] = std::from_chars(port.data() + 1, end, authority.port);
    if (status != std::errc{} || rest != end || authority.port == 0) return std::nullopt;
    return authority;
}

}  // namespace crucible::lab
