#pragma once

#include <string_view>

namespace crucible::lab::report {

/// The style sheet of the HTML report: light and dark by the reader's setting, printable, and
/// without a horizontal scroll of the page down to 320 pixels: wide tables and charts scroll within
/// their own frames.
std::string_view page_style() noexcept;

}  // namespace crucible::lab::report
