#include "runtime/route/pattern.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace crucible::runtime {
namespace {

std::unexpected<Error> bad(std::string_view text, std::string_view allowed) {
    return std::unexpected(
        Error{Errc::invalid_argument, fmt::format("{}: {}", base::in_quotes(text), allowed)});
}

bool is_control(char c) noexcept {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

}  // namespace

Segment take_segment(std::string_view& rest) noexcept {
    const auto dot = rest.find('.');
    const std::string_view segment = rest.substr(0, dot);
    const bool last = dot == std::string_view::npos;
    rest = last ? std::string_view() : rest.substr(dot + 1);
    return {segment, last};
}

Result<Pattern> Pattern::parse(std::string_view text) {
    if (text.empty() || text.size() > kBytesMax || std::ranges::any_of(text, is_control)) {
        return bad(text,
                   fmt::format("a pattern has 1 to {} bytes without control characters; leave it "
                               "out to match everything",
                               kBytesMax));
    }
    Pattern pattern;
    pattern.text_ = text;
    pattern.ending_ = Ending::text;
    std::size_t segments = 0;
    for (Segment segment; !segment.last;) {
        segment = take_segment(text);
        ++segments;
        if (segment.text.find('*') == std::string_view::npos) continue;
        if (segment.text == "*") {
            if (pattern.ending_ == Ending::text) pattern.ending_ = Ending::same;
        } else if (segment.text == "**" && segment.last) {
            pattern.ending_ = Ending::rest;
        } else if (segment.last && segment.text.find('*') == segment.text.size() - 1) {
            pattern.ending_ = Ending::prefix;
        } else {
            return bad(pattern.text_, "'*' must be a whole segment or end the pattern");
        }
    }
    if (pattern.ending_ != Ending::text && segments > kSegmentsMax) {
        return bad(pattern.text_,
                   fmt::format("a pattern with wildcards has at most {} segments", kSegmentsMax));
    }
    return pattern;
}

bool Pattern::matches(std::string_view pattern, Ending ending, std::string_view text) noexcept {
    if (ending == Ending::text) return text == pattern;
    // A wildcard is a whole segment or the end of the pattern: all else is the same in both.
    std::size_t given = 0;
    for (std::size_t at = 0; at < pattern.size(); ++at) {
        if (pattern[at] != '*') {
            if (given == text.size() || text[given] != pattern[at]) return false;
            ++given;
            continue;
        }
        if (ending == Ending::rest && at + 2 == pattern.size()) return true;
        given = std::min(text.find('.', given), text.size());
    }
    return given == text.size();
}

}  // namespace crucible::runtime
