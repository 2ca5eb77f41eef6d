#pragma once

#include <string>
#include <string_view>

namespace crucible::base {

/// `text` with each control character as a blank: what comes from a file must not drive the
/// terminal that it is shown on.
std::string printable(std::string text);

/// `text` in single quotes for a message of one line: control characters as \xNN, and no more than
/// the first 64 bytes of it, whoever wrote it.
std::string in_quotes(std::string_view text);

/// The same without quotes and with up to 256 bytes: for the message of a library or a peer.
std::string one_line(std::string_view text);

/// `text` between the tags of HTML or XML, or in quotes there: special characters escaped.
std::string escape_html(std::string_view text);

/// `word` as a shell takes it for one word: in single quotes unless all of it is plain.
std::string shell_word(std::string_view word);

}  // namespace crucible::base
