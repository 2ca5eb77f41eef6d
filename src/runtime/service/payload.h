#pragma once

#include <simdjson.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "crucible/error.h"
#include "crucible/service.h"

namespace crucible::runtime {

/// Parses JSON payloads, reusing its memory. The whole text is validated before any field is read,
/// so that a payload broken at its end has no effect. Not thread-safe.
class PayloadParser {
public:
    /// The fields, valid until the next call. - Errc::invalid_argument: not JSON, or not an object.
    Result<simdjson::dom::object> parse(std::string_view json);

private:
    simdjson::dom::parser parser_;
    std::string padded_;  ///< simdjson reads up to SIMDJSON_PADDING bytes past the end
};

/// The field `name` of `fields`. - Errc::invalid_argument: it is missing or of another type.
Result<std::string_view> string_field(const simdjson::dom::object& fields, std::string_view name);
Result<std::int64_t> integer_field(const simdjson::dom::object& fields, std::string_view name);
Result<double> number_field(const simdjson::dom::object& fields, std::string_view name);
Result<simdjson::dom::object> object_field(const simdjson::dom::object& fields,
                                           std::string_view name);
Result<simdjson::dom::array> array_field(const simdjson::dom::object& fields,
                                         std::string_view name);

/// Appends `text` as a JSON string with its quotes. `text` must be UTF-8.
void append_json_string(std::string& out, std::string_view text);

/// Replaces `out` with `json` without the white space between tokens: a valid JSON text becomes one
/// line.
void minify_into(std::string& out, std::string_view json);

/// Ends one event: errors of the input (invalid_argument, unsupported) become `rejected`, others
/// `failed`; for good those in `unmet`: what the event asks for cannot be done as things are, and
/// the service is well. Leaves `result.response` as it is.
void conclude(HandleResult& result, const Result<>& done, std::initializer_list<Errc> unmet = {});
/// Makes a reused result handled and empty.
void reset(HandleResult& result) noexcept;

/// `code` with a message, ready to return.
inline std::unexpected<Error> refuse(Errc code, std::string message) {
    return std::unexpected(Error{code, std::move(message)});
}
inline std::unexpected<Error> invalid(std::string message) {
    return refuse(Errc::invalid_argument, std::move(message));
}

}  // namespace crucible::runtime
