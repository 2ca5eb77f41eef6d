#pragma once

#include <string>
#include <string_view>

namespace crucible::lab::report {

/// Figures as a page prints them: a true minus sign and "µs", blanks that do not break a line
/// between a number and its unit.
std::string typeset(std::string_view figure);

/// base::format_duration, typeset, without zeros behind the point.
std::string typeset_duration(double seconds);

}  // namespace crucible::lab::report
