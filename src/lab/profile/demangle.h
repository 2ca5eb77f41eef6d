#pragma once

#include <string>
#include <string_view>

namespace crucible::lab {

/// A C++ symbol as people write it, "ns::fold(std::string const&)"; any other name as it is.
std::string demangle(const std::string& symbol);

/// A demangled name without its return type, parameters and template arguments: "ns::fold" of
/// "int ns::fold<int>(std::string const&)". For where the whole name has no room.
std::string short_name(std::string_view function);

}  // namespace crucible::lab
