#include "runtime/event/cloud_event.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/text.h"
#include "runtime/event/base64.h"
#include "runtime/event/json_members.h"
#include "runtime/event/rfc3339.h"
#include "runtime/event/uuid.h"

namespace crucible::runtime {
namespace {

constexpr std::string_view kJsonType = "application/json";

/// Base64 takes a third more than its bytes, and attributes come on top.
constexpr std::size_t kTextBytesMax = 2 * kEventBytesMax;

std::string_view media_type(std::string_view content_type) {
    const auto type = content_type.substr(0, content_type.find(';'));
    return type.substr(0, type.find_last_not_of(' ') + 1);
}

bool is_json_type(std::string_view content_type) {
    const auto type = media_type(content_type);
    return type == kJsonType || type == "text/json" || type.ends_with("+json");
}

/// Text that stands in JSON as it is.
bool is_plain(std::string_view text) {
    return std::ranges::all_of(
        text, [](char c) { return c >= ' ' && c < '\x7F' && c != '"' && c != '\\'; });
}

std::string json_string(std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// `text` as a JSON string; nothing when it is not UTF-8.
std::optional<std::string> quoted_text(std::string_view text) {
    try {
        return nlohmann::json(text).dump();
    } catch (const nlohmann::json::type_error&) {
        return std::nullopt;
    }
}

void add_member(std::string& out, std::string_view name, std::string_view value) {
    if (out.size() > 1) out += ',';
    out += '"';
    out += name;
    out += "\":";
    out += value;
}

void add_text(std::string& out, std::string_view name, std::string_view text) {
    if (!is_plain(text)) return add_member(out, name, json_string(text));
    add_member(out, name, "\"");
    out += text;
    out += '"';
}

/// Writes `payload` so that reading it back gives the same bytes: as itself where it is JSON, as
/// text where it is text, in base64 otherwise.
void add_data(std::string& out, const Event& event) {
    const std::string& payload = event.payload;
    if (payload.empty()) return;
    const bool space_around = payload.find_first_of(" \t\r\n") == 0 ||
                              payload.find_last_of(" \t\r\n") == payload.size() - 1 ||
                              payload.starts_with('\xEF');
    if (is_json_type(event.content_type)) {
        if (!space_around && is_json(payload)) return add_member(out, "data", payload);
    } else if (media_type(event.content_type).starts_with("text/")) {
        if (const auto text = quoted_text(payload)) return add_member(out, "data", *text);
    }
    add_member(out, "data_base64", '"' + to_base64(payload) + '"');
}

/// Extension attributes have no lists: names joined by commas, with '%' and ',' in them
/// percent-encoded.
std::string join_targets(const std::vector<std::string>& targets) {
    std::string text;
    for (const auto& target : targets) {
        if (&target != &targets.front()) text += ',';
        for (const char c : target) {
            if (c == '%') {
                text += "%25";
            } else if (c == ',') {
                text += "%2C";
            } else {
                text += c;
            }
        }
    }
    return text;
}

std::unexpected<Error> wrong(std::string_view attribute, std::string_view what) {
    return std::unexpected(
        Error{Errc::invalid_argument, fmt::format("attribute '{}': {}", attribute, what)});
}

Result<std::vector<std::string>> split_targets(std::string_view text) {
    std::vector<std::string> targets(1);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == ',') {
            targets.emplace_back();
        } else if (text[i] != '%') {
            targets.back() += text[i];
        } else if (text.substr(i, 3) == "%25") {
            targets.back() += '%';
            i += 2;
        } else if (text.substr(i, 3) == "%2C" || text.substr(i, 3) == "%2c") {
            targets.back() += ',';
            i += 2;
        } else {
            return wrong("targets", "'%' must be written as %25");
        }
    }
    return targets;
}

/// The members of a CloudEvent by name. A null attribute is an absent one, as the JSON format says.
class Attributes {
public:
    explicit Attributes(std::vector<JsonMember> members) : members_(std::move(members)) {}

    std::optional<std::string_view> raw(std::string_view name) const {
        const auto found = std::ranges::find(members_, name, &JsonMember::name);
        if (found == members_.end()) return std::nullopt;
        return found->value;
    }

    Result<std::optional<std::string>> text(std::string_view name) const {
        const auto value = raw(name);
        if (!value || *value == "null") return std::optional<std::string>();
        std::string result;
        if (!read_string(*value, result)) return wrong(name, "must be a string");
        if (result.empty() && name != "targets") return wrong(name, "must not be empty");
        return result;
    }

    Result<std::string> required_text(std::string_view name) const {
        auto value = text(name);
        if (!value) return std::unexpected(value.error());
        if (!*value) return wrong(name, "is missing");
        return std::move(**value);
    }

    /// Reads the attribute with `parse` into `out`; an absent one leaves `out` as it is.
    template <typename Parse, typename T>
    Result<> read(std::string_view name, Parse parse, std::string_view form, T& out) const {
        const auto value = text(name);
        if (!value) return std::unexpected(value.error());
        if (!*value) return {};
        const auto parsed = parse(**value);
        if (!parsed)
            return wrong(name, fmt::format("{} is not {}", base::in_quotes(**value), form));
        out = *parsed;
        return {};
    }

private:
    std::vector<JsonMember> members_;
};

constexpr std::string_view kUuidForm = "a UUID";
constexpr std::string_view kTimeForm = "an RFC 3339 time between the years 1678 and 2261";

Result<> read_attempt(const Attributes& attributes, std::uint32_t& attempt) {
    const auto value = attributes.raw("attempt");
    if (!value || *value == "null") return {};
    const char* end = value->data() + value->size();
    const auto [stopped, error] = std::from_chars(value->data(), end, attempt);
    if (error != std::errc() || stopped != end)
        return wrong("attempt", "must be an integer from 0 to 4294967295");
    return {};
}

Result<> read_targets(const Attributes& attributes, std::vector<std::string>& targets) {
    const auto text = attributes.text("targets");
    if (!text) return std::unexpected(text.error());
    if (!*text) return {};
    auto split = split_targets(**text);
    if (!split) return std::unexpected(split.error());
    targets = std::move(*split);
    return {};
}

Result<> read_context(const Attributes& attributes, Event& event) {
    auto version = attributes.required_text("specversion");
    if (!version) return std::unexpected(version.error());
    if (*version != "1.0")
        return wrong("specversion",
                     fmt::format("{} is not supported; 1.0 is", base::in_quotes(*version)));
    auto id = attributes.required_text("id");
    if (!id) return std::unexpected(id.error());
    const auto uuid = parse_uuid(*id);
    if (!uuid) return wrong("id", fmt::format("{} is not {}", base::in_quotes(*id), kUuidForm));
    event.id = *uuid;
    auto source = attributes.required_text("source");
    if (!source) return std::unexpected(source.error());
    event.source = std::move(*source);
    auto type = attributes.required_text("type");
    if (!type) return std::unexpected(type.error());
    event.type = std::move(*type);
    return attributes.read("time", parse_rfc3339, kTimeForm, event.created);
}

Result<> read_extensions(const Attributes& attributes, Event& event) {
    const Result<> all[] = {
        attributes.read("category", parse_category, "a category", event.category),
        attributes.read("priority", parse_priority, "a priority", event.priority),
        read_targets(attributes, event.targets),
        attributes.read("correlationid", parse_uuid, kUuidForm, event.correlation_id),
        attributes.read("causationid", parse_uuid, kUuidForm, event.causation_id),
        read_attempt(attributes, event.attempt),
        attributes.read("deadline", parse_rfc3339, kTimeForm, event.deadline),
        attributes.read("notbefore", parse_rfc3339, kTimeForm, event.not_before),
    };
    for (const auto& one : all) {
        if (!one) return one;
    }
    return {};
}

Result<> read_data(const Attributes& attributes, Event& event) {
    const auto data = attributes.raw("data");
    const auto encoded = attributes.text("data_base64");
    if (!encoded) return std::unexpected(encoded.error());
    auto content_type = attributes.text("datacontenttype");
    if (!content_type) return std::unexpected(content_type.error());
    if (data && *encoded) return wrong("data_base64", "only one of it and 'data' may be present");
    // Without the attribute, `data` is JSON; bytes are of an unknown type.
    event.content_type = content_type->value_or(data ? std::string(kJsonType) : std::string());
    if (*encoded) {
        auto bytes = from_base64(**encoded);
        if (!bytes) return wrong("data_base64", "is not base64");
        event.payload = std::move(*bytes);
    } else if (data && is_json_type(event.content_type)) {
        event.payload = *data;
    } else if (data && !read_string(*data, event.payload)) {
        return wrong("data", fmt::format("must be a string where the type is {}",
                                         base::one_line(event.content_type)));
    }
    if (event.payload.size() > kEventBytesMax) {
        return wrong("data", fmt::format("has {} bytes: at most {} are allowed",
                                         event.payload.size(), kEventBytesMax));
    }
    return {};
}

}  // namespace

std::string to_cloud_event(const Event& event) {
    std::string out = "{";
    out.reserve(512 + event.payload.size() / 3 * 4);
    add_member(out, "specversion", "\"1.0\"");
    add_text(out, "id", to_string(event.id));
    add_text(out, "source", event.source);
    add_text(out, "type", event.type);
    add_text(out, "time", to_rfc3339(event.created));
    add_text(out, "category", crucible::to_string(event.category));
    add_text(out, "priority", crucible::to_string(event.priority));
    if (!event.targets.empty()) add_text(out, "targets", join_targets(event.targets));
    if (event.correlation_id) add_text(out, "correlationid", to_string(*event.correlation_id));
    if (event.causation_id) add_text(out, "causationid", to_string(*event.causation_id));
    add_member(out, "attempt", std::to_string(event.attempt));
    if (event.deadline) add_text(out, "deadline", to_rfc3339(*event.deadline));
    if (event.not_before) add_text(out, "notbefore", to_rfc3339(*event.not_before));
    if (!event.content_type.empty()) add_text(out, "datacontenttype", event.content_type);
    add_data(out, event);
    out += '}';
    return out;
}

Result<Event> from_cloud_event(std::string_view json) {
    if (json.size() > kTextBytesMax) {
        return std::unexpected(Error{
            Errc::invalid_argument,
            fmt::format("text of {} bytes: at most {} are allowed", json.size(), kTextBytesMax)});
    }
    auto members = read_members(json);
    if (!members) return std::unexpected(members.error());
    const Attributes attributes(std::move(*members));
    Event event;
    if (const auto read = read_context(attributes, event); !read)
        return std::unexpected(read.error());
    if (const auto read = read_extensions(attributes, event); !read)
        return std::unexpected(read.error());
    if (const auto read = read_data(attributes, event); !read) return std::unexpected(read.error());
    return event;
}

}  // namespace crucible::runtime
