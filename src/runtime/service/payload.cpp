#include "runtime/service/payload.h"

#include <algorithm>
#include <cstring>

namespace crucible::runtime {
namespace {

template <typename T>
Result<T> field(const simdjson::dom::object& fields, std::string_view name, const char* kind) {
    T value;
    const auto error = fields.at_key(name).get(value);
    if (error == simdjson::SUCCESS) return value;
    if (error == simdjson::NO_SUCH_FIELD) {
        return invalid("payload: no field \"" + std::string(name) + "\"");
    }
    return invalid("payload: field \"" + std::string(name) + "\" is not " + kind);
}

}  // namespace

Result<simdjson::dom::object> PayloadParser::parse(std::string_view json) {
    // Grown in steps, never shrunk: resize() would write zeros over the padding for every event.
    if (padded_.size() < json.size() + simdjson::SIMDJSON_PADDING) {
        padded_.resize(2 * json.size() + simdjson::SIMDJSON_PADDING);
    }
    std::memcpy(padded_.data(), json.data(), json.size());
    simdjson::dom::object fields;
    const auto error = parser_.parse(padded_.data(), json.size(), false).get(fields);
    if (error == simdjson::INCORRECT_TYPE) return invalid("payload: not a JSON object");
    if (error != simdjson::SUCCESS) {
        return invalid(std::string("payload: not JSON: ") + simdjson::error_message(error));
    }
    return fields;
}

Result<std::string_view> string_field(const simdjson::dom::object& fields, std::string_view name) {
    return field<std::string_view>(fields, name, "a string");
}

Result<std::int64_t> integer_field(const simdjson::dom::object& fields, std::string_view name) {
    return field<std::int64_t>(fields, name, "an integer");
}

Result<double> number_field(const simdjson::dom::object& fields, std::string_view name) {
    return field<double>(fields, name, "a number");
}

Result<simdjson::dom::object> object_field(const simdjson::dom::object& fields,
                                           std::string_view name) {
    return field<simdjson::dom::object>(fields, name, "an object");
}

Result<simdjson::dom::array> array_field(const simdjson::dom::object& fields,
                                         std::string_view name) {
    return field<simdjson::dom::array>(fields, name, "an array");
}

void append_json_string(std::string& out, std::string_view text) {
    static constexpr char kHexDigits[] = "0123456789abcdef";
    out += '"';
    std::size_t plain = 0;  // start of the run that needs no escape
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        out.append(text.substr(plain, i - plain));
        plain = i + 1;
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\t':
                out += "\\t";
                break;
            case '\r':
                out += "\\r";
                break;
            default:
                out += "\\u00";
                out += kHexDigits[c >> 4];
                out += kHexDigits[c & 15];
        }
    }
    out.append(text.substr(plain));
    out += '"';
}

void minify_into(std::string& out, std::string_view json) {
    out.resize(json.size() + simdjson::SIMDJSON_PADDING);
    std::size_t size = 0;
    if (simdjson::minify(json.data(), json.size(), out.data(), size) != simdjson::SUCCESS) size = 0;
    out.resize(size);
}

void reset(HandleResult& result) noexcept {
    result.outcome = Outcome::handled;
    result.response.clear();
    result.reason.clear();
    result.not_now = false;
    result.for_good = false;
}

void conclude(HandleResult& result, const Result<>& done, std::initializer_list<Errc> unmet) {
    if (done) return;
    const Errc code = done.error().code;
    const bool refused = code == Errc::invalid_argument || code == Errc::unsupported;
    result.outcome = refused ? Outcome::rejected : Outcome::failed;
    result.for_good = !refused && std::ranges::find(unmet, code) != unmet.end();
    result.reason = done.error().message;
}

}  // namespace crucible::runtime
