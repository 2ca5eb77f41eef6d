#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "crucible/error.h"

namespace crucible::runtime {

/// What a text of segments with dots between them must look like: "file.created", "file.*",
/// "client-*", "file.**" (docs/formats/rules.md). A plain value; the default matches every text.
class Pattern {
public:
    static constexpr std::size_t kBytesMax = 255;
    static constexpr std::size_t kSegmentsMax = 16;  ///< of a pattern with wildcards

    /// How the last segment of a text is compared.
    enum class Ending : std::uint8_t {
        text,    ///< the pattern has no wildcard: texts are compared whole
        same,    ///< like every other segment
        prefix,  ///< "cre*": it begins like this
        rest,    ///< "**": one segment or more, whatever they are
    };

    Pattern() = default;
    /// - Errc::invalid_argument: the message names the text and what is allowed.
    static Result<Pattern> parse(std::string_view text);

    /// Allocates nothing; takes time in proportion to the two texts.
    bool matches(std::string_view text) const noexcept { return matches(text_, ending_, text); }
    /// The same of the pattern with this text() and ending(), wherever the text is kept.
    static bool matches(std::string_view pattern, Ending ending, std::string_view text) noexcept;

    bool matches_all() const noexcept { return text_ == "**"; }
    Ending ending() const noexcept { return ending_; }
    /// As it was written.
    const std::string& text() const noexcept { return text_; }

    friend bool operator==(const Pattern& a, const Pattern& b) noexcept {
        return a.text_ == b.text_;
    }

private:
    std::string text_ = "**";
    Ending ending_ = Ending::rest;
};

/// Takes the first segment off `rest`; `last` says that nothing is left after it.
struct Segment {
    std::string_view text;
    bool last = false;
};
Segment take_segment(std::string_view& rest) noexcept;

}  // namespace crucible::runtime
