#pragma once

#include <iosfwd>
#include <optional>
#include <span>
#include <string_view>

namespace CLI {
class App;
}

namespace crucible::app {

/// Parses `args` into what `command` was given. Returns the exit code when the program ends here:
/// after --help (0), or after one line on `err` that says what is wrong, with the nearest known
/// option for an unknown one (2).
std::optional<int> parse_arguments(CLI::App& command, std::span<const std::string_view> args,
                                   std::ostream& out, std::ostream& err);

/// Prints `crucible: <message>` in one line and returns kBadUsage.
int usage_error(std::ostream& err, std::string_view message);

}  // namespace crucible::app
