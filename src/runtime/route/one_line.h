#pragma once

#include <string>
#include <string_view>

namespace crucible::runtime {

/// `text` in single quotes for a message of one line: control characters as \xNN, and no more than
/// the first 64 bytes of it, whoever wrote it.
std::string in_quotes(std::string_view text);

/// The same without quotes and with up to 256 bytes: for the message of a library.
std::string one_line(std::string_view text);

}  // namespace crucible::runtime
