#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"

namespace crucible::runtime {

/// Whether `text` is one JSON value. Unlike the JSON library's own answer, a NUL byte never is the
/// end of the text.
bool is_json(std::string_view text);

/// One member of a JSON object.
struct JsonMember {
    std::string name;
    std::string_view value;  ///< the value's own text, without the white space around it
};

/// The members of the object `json`, in order, their values untouched: a payload that travels
/// inside a JSON document comes out byte for byte as it went in, so that its signature still fits.
/// - Errc::corrupt: not JSON (the message has the byte offset).
/// - Errc::invalid_argument: not an object, or a name appears twice.
Result<std::vector<JsonMember>> read_members(std::string_view json);

/// The text that the JSON string `value` (with its quotes) stands for; false when it is not a JSON
/// string. `value` must be valid JSON.
bool read_string(std::string_view value, std::string& out);

}  // namespace crucible::runtime
