#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace crucible::lab::report {

/// ANSI styles used in reports.
enum class Ink { plain, bold, dim, good, bad, warn };

/// Columns that UTF-8 `text` takes, one for each code point (the reports use no wide characters).
std::size_t columns(std::string_view text) noexcept;

/// Text that grows line by line, for a terminal `width` columns wide.
class TerminalText {
public:
    TerminalText(std::size_t width, bool colour) : width_(width), colour_(colour) {}

    /// Wraps `text` between words, each line indented by `indent`; words that are longer than a
    /// line stand alone, unbroken, so that a URL can be copied.
    void paragraph(std::string_view text, std::size_t indent = 0, Ink ink = Ink::plain);
    /// A paragraph behind `bullet`, which stands at `indent`; further lines are aligned behind it.
    void item(std::string_view bullet, std::string_view text, std::size_t indent = 2,
              Ink ink = Ink::plain);
    void blank() { text_ += '\n'; }
    /// One line as it is.
    void line(std::string_view text, Ink ink = Ink::plain);

    /// `text` in `ink`, padded to `columns`: on the right, or on the left where `right` is set.
    std::string cell(std::string_view text, std::size_t columns, bool right = false,
                     Ink ink = Ink::plain) const;

    std::string take() { return std::move(text_); }

private:
    std::string inked(std::string_view text, Ink ink) const;
    std::size_t width_;
    bool colour_;
    std::string text_;
};

}  // namespace crucible::lab::report
