#include "lab/target/log_tail.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/file.h"

namespace crucible::lab {
namespace {

/// Errors are one line.
std::string last_lines(const std::filesystem::path& log) {
    const auto text = base::read_file(log);
    if (!text) return {};
    std::string_view rest = *text;
    while (rest.ends_with('\n')) rest.remove_suffix(1);
    std::size_t from = rest.size();
    for (int line = 0; line < 3 && from != 0 && from != std::string_view::npos; ++line)
        from = rest.rfind('\n', from - 1);
    rest.remove_prefix(from == std::string_view::npos ? 0 : std::min(from + 1, rest.size()));
    std::string joined(rest);
    for (std::size_t i = 0; (i = joined.find('\n', i)) != std::string::npos;)
        joined.replace(i, 1, " | ");
    return joined;
}

}  // namespace

std::string with_log(std::string message, const std::filesystem::path& log) {
    const auto lines = last_lines(log);
    return lines.empty() ? message : fmt::format("{}: {}", message, lines);
}

}  // namespace crucible::lab
