#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "crucible/error.h"
#include "runtime/route/rule.h"

namespace crucible::runtime {

inline constexpr std::int64_t kRuleFileVersion = 1;
inline constexpr std::size_t kRuleFileBytesMax = 64u << 20;

/// Reads rules in the form of docs/formats/rules.md. Any text is safe to pass. `place` names it in
/// errors, all of one line: "rules.toml:7:1: …".
/// - Errc::invalid_argument: a syntax error, an unknown key (with the nearest known one), a bad
///   value (with what is allowed), a name given twice.
/// - Errc::unsupported: written by a newer version.
Result<RuleSet> parse_rules(std::string_view text, const std::string& place);

/// The same of a file. - the errors of base::read_file() too.
Result<RuleSet> read_rules(const std::filesystem::path& file);

/// What parse_rules() reads as `rules`, which must be valid. Texts must be UTF-8, as those of a
/// file are.
std::string format_rules(const RuleSet& rules);

}  // namespace crucible::runtime
