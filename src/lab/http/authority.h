#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace crucible::lab {

/// Where a server is.
struct Authority {
    std::string host;  ///< a name or an address, without brackets
    std::uint16_t port = 0;
};

/// "host", "host:port", "[::1]:port"; nothing when `text` is none of these.
std::optional<Authority> parse_authority(std::string_view text, std::uint16_t default_port);

}  // namespace crucible::lab
