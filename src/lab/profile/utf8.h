#pragma once

#include <string>
#include <string_view>

namespace crucible::lab {

/// `text` with U+FFFD for every byte that is not part of valid UTF-8. Names of files, threads and
/// owners can be any bytes, and readers refuse a whole file for one wrong byte.
std::string valid_utf8(std::string_view text);

/// `text` for XML, between tags and in quotes: valid UTF-8, special characters escaped, and U+FFFD
/// for control characters, which XML has no way to write.
std::string xml_text(std::string_view text);

/// At most `letters` of it, which is valid UTF-8; the last are ".." where it is cut.
std::string cut_to(std::string_view text, std::size_t letters);

}  // namespace crucible::lab
