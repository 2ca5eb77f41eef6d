#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crucible/error.h"
#include "crucible/event.h"
#include "lab/http/http_options.h"

namespace crucible::lab {

/// Writes the HTTP request of an event. Not thread-safe: it keeps its memory from one to the next.
///
/// A template is a request without Host, Content-Length and Connection, which are ours:
///
///     PUT /orders/${id}
///     Content-Type: application/json
///
///     {"source": "${source}", "data": ${payload}}
///
/// ${id}, ${type}, ${category}, ${source}, ${priority}, ${time} (RFC 3339), ${content_type} and
/// ${payload} are the event's. One newline at the end of the file is not part of the body.
class RequestTemplate {
public:
    /// `text` is a template; `place` names it in errors.
    /// - Errc::invalid_argument: `place:line: what is wrong and what is allowed`.
    static Result<RequestTemplate> parse(std::string_view text, const std::string& place,
                                         const HttpOptions& options);
    /// Events as CloudEvents in their JSON format, in POST requests; with another method than POST,
    /// PUT or PATCH a request without body.
    static RequestTemplate cloud_events(const HttpOptions& options);

    /// No event is in it: every request is the same.
    bool is_constant() const noexcept { return !constant_.empty(); }

    /// Appends the whole request.
    void write(const Event& event, std::string& out);

private:
    enum class Field : unsigned char {
        none,
        id,
        type,
        category,
        source,
        priority,
        time,
        content_type,
        payload,
        cloud_event
    };
    struct Piece {
        std::string text;  ///< stands before the field
        Field field = Field::none;
    };
    using Pieces = std::vector<Piece>;

    static Result<Pieces> split(std::string_view text, std::size_t line, const std::string& place);
    static Field field_named(std::string_view name) noexcept;
    static void write_pieces(const Pieces& pieces, const Event& event, std::string& out);
    static bool constant(const Pieces& pieces) noexcept;
    void write_parts(const Event& event, std::string& out);
    void prepare();

    Pieces head_;  ///< request line and headers, each with its CRLF
    Pieces body_;
    bool has_body_ = false;
    std::string body_text_;
    std::string constant_;  ///< the whole request, where no event is in it
};

}  // namespace crucible::lab
