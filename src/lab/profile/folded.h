#pragma once

#include <cstddef>
#include <string>

#include "lab/profile/symbolized_profile.h"

namespace crucible::lab {

/// The text that flame graph tools read, one line a stack: "owner;main;work 4096", the outermost
/// first, sorted, with the values of the kind `kind`. Without an owner a line begins with
/// "[no owner]". In names `;` becomes `:` and control characters blanks, as the format has no way
/// to quote them. Stacks without a value are left out.
std::string write_folded(const SymbolizedProfile& profile, std::size_t kind);

/// What stands for the owner of what has none.
inline constexpr std::string_view kNoOwner = "[no owner]";

}  // namespace crucible::lab
