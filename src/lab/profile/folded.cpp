#include "lab/profile/folded.h"

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <ranges>
#include <string_view>

#include "base/assert.h"
#include "base/text.h"

namespace crucible::lab {
namespace {

void append_name(std::string& line, std::string_view name) {
    if (!line.empty()) line += ';';
    for (const char letter : base::printable(std::string(name)))
        line += letter == ';' ? ':' : letter;
}

}  // namespace

std::string write_folded(const SymbolizedProfile& profile, std::size_t kind) {
    CRUCIBLE_ASSERT(kind < profile.kinds.size());
    // Different addresses in one function give the same line.
    std::map<std::string, std::int64_t> lines;
    for (const auto& sample : profile.samples) {
        if (sample.values[kind] == 0) continue;
        std::string line;
        append_name(line, sample.owner.empty() ? kNoOwner : sample.owner);
        for (const auto index : sample.stack | std::views::reverse) {
            for (const auto& frame : profile.locations[index].frames | std::views::reverse)
                append_name(line, frame.function);
        }
        lines[line] += sample.values[kind];
    }
    std::string text;
    for (const auto& [line, value] : lines) text += fmt::format("{} {}\n", line, value);
    return text;
}

}  // namespace crucible::lab
