#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace crucible::base {

/// A character of UTF-8. 0 bytes: there is none.
struct Utf8Character {
    std::uint32_t point = 0;
    std::size_t bytes = 0;
};

/// The character that `text`, which is not empty, begins with; none where that is not valid UTF-8.
Utf8Character first_utf8(std::string_view text) noexcept;

}  // namespace crucible::base
