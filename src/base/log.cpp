#include "base/log.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cmath>
#include <iterator>

#include "base/utf8.h"

namespace crucible::base::log {
namespace {

/// Most lines fit without an allocation.
using Line = fmt::memory_buffer;

Format line_format = Format::text;

void append(Line& line, std::string_view text) {
    line.append(text.data(), text.data() + text.size());
}

/// What a terminal obeys, some readers end a line at, or turns the direction of what follows.
bool is_disruptive(std::uint32_t point) noexcept {
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c || point == 0x200e ||
           point == 0x200f || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069);
}

/// Between quotation marks, as JSON has it: also where only a reader of text is to take it for one.
void append_quoted(Line& line, std::string_view text) {
    line.push_back('"');
    while (!text.empty()) {
        const auto [point, bytes] = first_utf8(text);
        if (bytes == 0) {
            append(line, "\xef\xbf\xbd");  // U+FFFD, the replacement character
        } else if (point == '"' || point == '\\') {
            line.push_back('\\');
            line.push_back(static_cast<char>(point));
        } else if (point == '\n') {
            append(line, "\\n");
        } else if (point == '\r') {
            append(line, "\\r");
        } else if (point == '\t') {
            append(line, "\\t");
        } else if (is_disruptive(point)) {
            fmt::format_to(std::back_inserter(line), "\\u{:04x}", point);
        } else {
            append(line, text.substr(0, bytes));
        }
        text.remove_prefix(bytes == 0 ? 1 : bytes);
    }
    line.push_back('"');
}

/// Whether a reader of text takes it for one value without quotation marks too.
bool is_plain(std::string_view text) noexcept {
    for (const char c : text)
        if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=') return false;
    return !text.empty();
}

void append_value(Line& line, Format format, std::string_view text) {
    if (format == Format::text && is_plain(text)) {
        append(line, text);
    } else {
        append_quoted(line, text);
    }
}
void append_value(Line& line, Format format, double number) {
    if (format == Format::json && !std::isfinite(number)) {
        append(line, "null");  // it has no names for these
    } else {
        fmt::format_to(std::back_inserter(line), "{}", number);
    }
}
template <typename T>
void append_value(Line& line, Format, T value) {
    fmt::format_to(std::back_inserter(line), "{}", value);
}

void append_value(Line& line, Format format, const Value& value) {
    std::visit([&](auto any) { append_value(line, format, any); }, value.any());
}

void render(Line& line, Format format, Message message, Fields fields) {
    if (format == Format::text) {
        append(line, message.text());
        for (const auto& [key, value] : fields) {
            line.push_back(' ');
            append(line, key.text());
            line.push_back('=');
            append_value(line, format, value);
        }
        return;
    }
    append(line, "\"message\":\"");
    append(line, message.text());
    line.push_back('"');
    for (const auto& [key, value] : fields) {
        append(line, ",\"");
        append(line, key.text());
        append(line, "\":");
        append_value(line, format, value);
    }
}

spdlog::level::level_enum spdlog_level(Level level) noexcept {
    switch (level) {
        case Level::debug:
            return spdlog::level::debug;
        case Level::info:
            return spdlog::level::info;
        case Level::warning:
            return spdlog::level::warn;
        case Level::error:
            return spdlog::level::err;
        case Level::critical:
            return spdlog::level::critical;
    }
    return spdlog::level::critical;
}

}  // namespace

std::optional<Format> parse_format(std::string_view name) noexcept {
    if (name == "text") return Format::text;
    if (name == "json") return Format::json;
    return std::nullopt;
}

void set_format(Format format) noexcept {
    line_format = format;
}

const char* line_pattern(Format format) noexcept {
    // The time as RFC 3339 has it.
    if (format == Format::text) return "%Y-%m-%dT%H:%M:%S.%e%z %l %n: %v";
    return R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","logger":"%n",%v})";
}

bool enabled(Level level) noexcept {
    return spdlog::default_logger_raw()->should_log(spdlog_level(level));
}

void write(Level level, Message message, Fields fields) {
    if (!enabled(level)) return;
    Line line;
    render(line, line_format, message, fields);
    spdlog::default_logger_raw()->log(spdlog_level(level),
                                      spdlog::string_view_t(line.data(), line.size()));
}

std::string render(Format format, Message message, Fields fields) {
    Line line;
    render(line, format, message, fields);
    return fmt::to_string(line);
}

}  // namespace crucible::base::log
