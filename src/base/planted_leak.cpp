#include "base/planted_leak.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include "base/text.h"
#include "base/units.h"

namespace crucible::base {
namespace {

constexpr const char* kVariable = "CRUCIBLE_PLANTED_LEAK";

constexpr std::array<std::string_view, 7> kPlaces{"session",    "component", "database", "external",
                                                  "filesystem", "mcp",       "system"};

[[noreturn]] void refuse(const char* text) {
    fmt::print(stderr, "{} {}: PLACE:BYTES or PLACE:BYTES/TIMES, e.g. session:64B; places are {}\n",
               kVariable, in_quotes(text), fmt::join(kPlaces, ", "));
    std::exit(2);
}

/// Of a whole text; 0: it is no number.
std::size_t whole_number(std::string_view text) {
    std::size_t number = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    return status == std::errc{} && end == text.data() + text.size() ? number : 0;
}

}  // namespace

PlantedLeak::PlantedLeak(std::string_view place) {
    const char* const text = std::getenv(kVariable);
    if (text == nullptr || *text == '\0') return;
    std::string_view rest(text);
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos) refuse(text);
    const auto asked = rest.substr(0, colon);
    if (std::ranges::find(kPlaces, asked) == kPlaces.end()) refuse(text);
    rest.remove_prefix(colon + 1);
    const auto slash = rest.find('/');
    const auto bytes = parse_bytes(rest.substr(0, slash));
    if (!bytes || *bytes == 0) refuse(text);
    const auto every =
        slash == std::string_view::npos ? std::size_t{1} : whole_number(rest.substr(slash + 1));
    if (every == 0) refuse(text);
    if (asked != place) return;
    bytes_ = *bytes;
    every_ = every;
}

void lose(void* block) noexcept {
    asm volatile("" : : "g"(block) : "memory");
}

}  // namespace crucible::base
