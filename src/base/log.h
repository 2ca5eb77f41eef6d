#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

/// Lines of the log, over spdlog's default logger: a message that is the same each time, so that
/// lines can be grouped, and fields with all that varies.
///
///     base::log::warn("client closed", {{"session", id}, {"peer", peer}, {"error", text}});
///
/// Whatever is in a field, a line is one line, no field looks like two, and in Format::json it is
/// valid JSON. Names of fields, the same everywhere: docs/guides/daemon.md. Any thread may log.
namespace crucible::base::log {

enum class Level : std::uint8_t { debug, info, warning, error, critical };

enum class Format : std::uint8_t {
    text,  ///< "… info crucibled: client closed session=3 peer="pid 71""
    json,  ///< {"time":"…","level":"info","logger":"crucibled","message":"client closed",…}
};

/// By the enumerator's name; nothing for any other.
std::optional<Format> parse_format(std::string_view name) noexcept;

/// Of what is logged from now on; Format::text before. Called before there are threads that log.
void set_format(Format format) noexcept;

/// What spdlog's set_pattern() needs so that its lines are of that format.
const char* line_pattern(Format format) noexcept;

namespace detail {

// Neither a truth value nor a letter, which would convert.
template <typename T>
concept Signed = std::signed_integral<T> && !std::same_as<T, char>;
template <typename T>
concept Unsigned = std::unsigned_integral<T> && !std::same_as<T, char> && !std::same_as<T, bool>;

// Not constant expressions: calling one ends the compilation with its name.
void a_message_is_printable_and_without_quotes_backslashes_and_equals_signs();
void a_key_is_lower_case_with_underscores_and_not_the_name_of_another_part_of_the_line();

}  // namespace detail

/// Names what happened: a literal that neither format has to escape.
class Message {
public:
    template <std::size_t N>
    consteval Message(const char (&text)[N]) : text_(text, N - 1) {
        for (const char c : text_) {
            if (c < ' ' || c > '~' || c == '"' || c == '\\' || c == '=')
                detail::a_message_is_printable_and_without_quotes_backslashes_and_equals_signs();
        }
    }
    constexpr std::string_view text() const noexcept { return text_; }

private:
    std::string_view text_;
};

/// The name of a field: a literal, lower case with underscores.
class Key {
public:
    template <std::size_t N>
    consteval Key(const char (&text)[N]) : text_(text, N - 1) {
        bool good =
            N > 1 && text_ != "time" && text_ != "level" && text_ != "logger" && text_ != "message";
        for (const char c : text_) good = good && ((c >= 'a' && c <= 'z') || c == '_');
        if (!good) {
            detail::
                a_key_is_lower_case_with_underscores_and_not_the_name_of_another_part_of_the_line();
        }
    }
    constexpr std::string_view text() const noexcept { return text_; }

private:
    std::string_view text_;
};

/// Any number, truth value or text; of a text only the view, which has to last for the call.
class Value {
public:
    using Any = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

    Value(std::same_as<bool> auto flag) noexcept : any_(flag) {}
    Value(detail::Signed auto number) noexcept : any_(std::int64_t{number}) {}
    Value(detail::Unsigned auto number) noexcept : any_(std::uint64_t{number}) {}
    Value(std::floating_point auto number) noexcept : any_(static_cast<double>(number)) {}
    Value(const std::convertible_to<std::string_view> auto& text) noexcept
        : any_(std::string_view(text)) {}

    const Any& any() const noexcept { return any_; }

private:
    Any any_;
};

struct Field {
    Key key;
    Value value;
};
using Fields = std::initializer_list<Field>;

/// Whether a line of that level is written: for fields that cost something to find out.
bool enabled(Level level) noexcept;

/// Nothing is copied or rendered where the level is off.
void write(Level level, Message message, Fields fields = {});

inline void debug(Message message, Fields fields = {}) {
    write(Level::debug, message, fields);
}
inline void info(Message message, Fields fields = {}) {
    write(Level::info, message, fields);
}
inline void warn(Message message, Fields fields = {}) {
    write(Level::warning, message, fields);
}
inline void error(Message message, Fields fields = {}) {
    write(Level::error, message, fields);
}
inline void critical(Message message, Fields fields = {}) {
    write(Level::critical, message, fields);
}

/// What spdlog is given of a line: its %v in line_pattern(). For sinks with lines of their own.
std::string render(Format format, Message message, Fields fields);

}  // namespace crucible::base::log
