#pragma once

#include <filesystem>
#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "crucible/error.h"

namespace crucible::app {

/// Makes the directory of a result and checks that it can be written, before anything is measured.
/// `asked` empty: `benchmark_results/<UTC time>-<name>`.
/// - Errc::permission_denied, Errc::io: the message names the directory.
Result<std::filesystem::path> prepare_output(const std::string& asked, std::string_view name);

/// Writes result.json, report.md and report.html into `directory` and prints the result as the user
/// asked: JSON, or the terminal's table with the path of the report behind it.
/// - Errc::io and such: a file could not be written; the message names it.
Result<> show_result(std::ostream& out, const nlohmann::json& result,
                     const std::filesystem::path& directory, bool as_json);

/// `result` as result.json holds it.
std::string json_text(const nlohmann::json& result);

/// The result as a table, as wide as the terminal behind `out` and in colour there (not with
/// NO_COLOR set); 80 columns and plain elsewhere. - the errors of lab::report::render_terminal().
Result<> print_table(std::ostream& out, const nlohmann::json& result);

/// Now, as "2026-01-31T12:00:00Z".
std::string utc_now();

}  // namespace crucible::app
