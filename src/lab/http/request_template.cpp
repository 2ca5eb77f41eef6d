#include "lab/http/request_template.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include "runtime/event/cloud_event.h"
#include "runtime/event/rfc3339.h"
#include "runtime/event/uuid.h"

namespace crucible::lab {
namespace {

std::string_view without_return(std::string_view line) {
    return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
}

bool begins_with_name(std::string_view line, std::string_view name) {
    if (line.size() <= name.size() || line[name.size()] != ':') return false;
    for (std::size_t i = 0; i < name.size(); ++i) {
        if ((line[i] | 0x20) != (name[i] | 0x20)) return false;
    }
    return true;
}

}  // namespace

RequestTemplate::Field RequestTemplate::field_named(std::string_view name) noexcept {
    constexpr std::array<std::pair<std::string_view, Field>, 8> kFields{{
        {"id", Field::id},
        {"type", Field::type},
        {"category", Field::category},
        {"source", Field::source},
        {"priority", Field::priority},
        {"time", Field::time},
        {"content_type", Field::content_type},
        {"payload", Field::payload},
    }};
    for (const auto& [known, field] : kFields) {
        if (known == name) return field;
    }
    return Field::none;
}

Result<RequestTemplate::Pieces> RequestTemplate::split(std::string_view text, std::size_t line,
                                                       const std::string& place) {
    Pieces pieces;
    std::string before;
    while (!text.empty()) {
        const auto begin = text.find("${");
        before += text.substr(0, begin);
        if (begin == std::string_view::npos) break;
        const auto end = text.find('}', begin);
        const auto name =
            text.substr(begin + 2, end == std::string_view::npos ? end : end - begin - 2);
        const Field field = end == std::string_view::npos ? Field::none : field_named(name);
        if (field == Field::none) {
            return std::unexpected(
                Error{Errc::invalid_argument,
                      fmt::format("{}:{}: unknown '${{{}}}'; known: id, type, category, source, "
                                  "priority, time, content_type, payload",
                                  place, line, name)});
        }
        pieces.push_back({std::exchange(before, {}), field});
        text.remove_prefix(end + 1);
    }
    if (!before.empty()) pieces.push_back({std::move(before), Field::none});
    return pieces;
}

Result<RequestTemplate> RequestTemplate::parse(std::string_view text, const std::string& place,
                                               const HttpOptions& options) {
    const auto wrong = [&place](std::size_t line, std::string_view what) {
        return std::unexpected(
            Error{Errc::invalid_argument, fmt::format("{}:{}: {}", place, line, what)});
    };
    std::string head;
    std::size_t line_number = 0;
    bool body_follows = false;
    while (!text.empty() && !body_follows) {
        const auto end = text.find('\n');
        const auto line = without_return(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        ++line_number;
        if (line.empty()) {
            body_follows = true;
        } else if (line_number == 1) {
            const auto space = line.find(' ');
            const auto path = space == std::string_view::npos ? "" : line.substr(space + 1);
            if (!path.starts_with('/') || path.find(' ') != std::string_view::npos)
                return wrong(1, "the first line must be METHOD /PATH");
            const auto method = options.method.empty() ? line.substr(0, space) : options.method;
            head =
                fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", method, path, options.host_header());
        } else {
            if (line.find(':') == std::string_view::npos || line.starts_with(':'))
                return wrong(line_number, "a header must be NAME: VALUE");
            for (const auto ours : {"host", "content-length", "connection", "transfer-encoding"}) {
                if (begins_with_name(line, ours))
                    return wrong(line_number, fmt::format("'{}' is set by the sender", ours));
            }
            head += fmt::format("{}\r\n", line);
        }
    }
    if (head.empty()) return wrong(1, "the first line must be METHOD /PATH");
    RequestTemplate request;
    auto pieces = split(head, 1, place);
    if (!pieces) return std::unexpected(pieces.error());
    request.head_ = *std::move(pieces);
    if (text.ends_with('\n')) text.remove_suffix(1);
    request.has_body_ = body_follows && !text.empty();
    auto body = split(text, line_number + 1, place);
    if (!body) return std::unexpected(body.error());
    request.body_ = *std::move(body);
    request.prepare();
    return request;
}

RequestTemplate RequestTemplate::cloud_events(const HttpOptions& options) {
    const std::string method = options.method.empty() ? "POST" : options.method;
    RequestTemplate request;
    request.has_body_ = method == "POST" || method == "PUT" || method == "PATCH";
    std::string head =
        fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", method, options.path, options.host_header());
    if (request.has_body_) {
        head += "Content-Type: application/cloudevents+json\r\n";
        request.body_.push_back({{}, Field::cloud_event});
    }
    request.head_.push_back({std::move(head), Field::none});
    request.prepare();
    return request;
}

bool RequestTemplate::constant(const Pieces& pieces) noexcept {
    for (const auto& piece : pieces) {
        if (piece.field != Field::none) return false;
    }
    return true;
}

void RequestTemplate::prepare() {
    if (constant(head_) && constant(body_)) write_parts(Event{}, constant_);
}

void RequestTemplate::write_pieces(const Pieces& pieces, const Event& event, std::string& out) {
    for (const auto& piece : pieces) {
        out += piece.text;
        switch (piece.field) {
            case Field::none:
                break;
            case Field::id:
                out += runtime::to_string(event.id);
                break;
            case Field::type:
                out += event.type;
                break;
            case Field::category:
                out += to_string(event.category);
                break;
            case Field::source:
                out += event.source;
                break;
            case Field::priority:
                out += to_string(event.priority);
                break;
            case Field::time:
                out += runtime::to_rfc3339(event.created);
                break;
            case Field::content_type:
                out += event.content_type;
                break;
            case Field::payload:
                out += event.payload;
                break;
            case Field::cloud_event:
                out += runtime::to_cloud_event(event);
                break;
        }
    }
}

void RequestTemplate::write_parts(const Event& event, std::string& out) {
    write_pieces(head_, event, out);
    if (!has_body_) {
        out += "\r\n";
        return;
    }
    body_text_.clear();
    write_pieces(body_, event, body_text_);
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n\r\n", body_text_.size());
    out += body_text_;
}

void RequestTemplate::write(const Event& event, std::string& out) {
    if (!constant_.empty()) {
        out += constant_;
    } else {
        write_parts(event, out);
    }
}

}  // namespace crucible::lab
