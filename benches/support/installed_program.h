#pragma once

#include <string>
#include <string_view>

#include "crucible/error.h"

namespace crucible::bench {

/// Where Debian's `package` puts `program`. - Errc::unsupported: nowhere; "not installed (Debian
/// package …)".
Result<std::string> installed_program(std::string_view program, std::string_view package);

}  // namespace crucible::bench
