#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace crucible::runtime {

/// Base64 (RFC 4648 §4) with padding.
std::string to_base64(std::string_view bytes);

/// Nothing unless `text` is exactly what to_base64() writes for some bytes: no white space, no
/// missing padding, no stray bits in the last digit.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace crucible::runtime
