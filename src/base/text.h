#pragma once

#include <string>
#include <string_view>

namespace crucible::base {

/// `text` with each control character as a blank: what comes from a file must not drive the
/// terminal that it is shown on.
std::string printable(std::string text);

/// `word` as a shell takes it for one word: in single quotes unless all of it is plain.
std::string shell_word(std::string_view word);

}  // namespace crucible::base
