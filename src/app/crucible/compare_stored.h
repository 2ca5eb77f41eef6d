#pragma once

#include <iosfwd>
#include <span>
#include <string>
#include <string_view>

#include "crucible/error.h"

namespace CLI {
class App;
}

namespace crucible::app {

/// What applies where `crucible compare` is given two stored results.
struct StoredArguments {
    std::string baseline;
    std::string candidate;
    std::string out;
    double margin = 0;
    bool json = false;
};

/// Whether both arguments name stored results; false: both are to be taken for targets.
/// - Errc::invalid_argument: one is a stored result and the other is not.
/// - Errc::not_found: a path that does not exist.
Result<bool> name_stored_results(const std::string& baseline, const std::string& candidate);

/// - Errc::invalid_argument: an option of `command` is given that says how to measure.
Result<> check_stored_options(const CLI::App& command);

/// Compares them and shows the result like that of a measurement. The exit code.
int compare_stored(const StoredArguments& arguments, std::span<const std::string_view> args,
                   std::ostream& out, std::ostream& err);

}  // namespace crucible::app
