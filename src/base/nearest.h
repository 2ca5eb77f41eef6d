#pragma once

#include <span>
#include <string_view>

namespace crucible::base {

/// The one of `known` that needs the fewest edits (insert, delete, replace a character) to become
/// `text`, the first of equals; empty when none is within a third of its length: a far guess would
/// mislead.
std::string_view nearest(std::string_view text, std::span<const std::string_view> known);

}  // namespace crucible::base
