#pragma once

#include <string>
#include <string_view>

#include "crucible/error.h"
#include "lab/pace/pattern.h"

namespace crucible::app {

/// Reads the phases of a mixed pattern: [[phase]] tables, each with a `pattern` and, if it is to be
/// called something, a `name` (docs/formats/scenario.md). `place` names the text in errors.
/// - Errc::invalid_argument: `place:line:column: what is wrong and what is allowed`.
Result<lab::Pattern> parse_pattern_file(std::string_view text, const std::string& place);

/// What --pattern takes: a pattern as Pattern::parse() reads it, or "mixed:FILE".
/// - the errors of Pattern::parse(), base::read_file() and parse_pattern_file().
Result<lab::Pattern> load_pattern(std::string_view text);

/// "spike" for one spike, "mixed" for several phases.
std::string pattern_name(const lab::Pattern& pattern);

}  // namespace crucible::app
