#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/time.h"

/// Reading the text files of /proc and of cgroups.
namespace crucible::lab {

/// Whole content of a file, relative to an open directory; errno on failure.
std::expected<std::string, int> read_at(int directory, const char* name);

/// The digits that `text` begins with; absent when it does not begin with any.
std::optional<std::uint64_t> leading_number(std::string_view text);

/// The number after `label` ("Pss:"), which stands at the start of a line; absent where there is no
/// such line.
std::optional<std::uint64_t> labelled_number(std::string_view content, std::string_view label);

/// Fields of /proc/<pid>/stat from the third ("state") on: the second is the program's name in
/// parentheses, which may itself hold blanks and parentheses.
std::vector<std::string_view> stat_fields(std::string_view line);

/// Clock ticks, the unit of /proc/<pid>/stat.
Duration from_ticks(std::uint64_t ticks);

}  // namespace crucible::lab
