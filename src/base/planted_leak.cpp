#include "base/planted_leak.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/units.h"

namespace crucible::base {
namespace {

constexpr const char* kVariable = "CRUCIBLE_PLANTED_LEAK";

[[noreturn]] void refuse(const char* text) {
    std::fprintf(stderr, "%s '%s': PLACE:BYTES or PLACE:BYTES/TIMES, e.g. session:64B\n", kVariable,
                 text);
    std::exit(2);
}

}  // namespace

PlantedLeak::PlantedLeak(std::string_view place) {
    const char* const text = std::getenv(kVariable);
    if (text == nullptr || *text == '\0') return;
    std::string_view rest(text);
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos) refuse(text);
    const bool here = rest.substr(0, colon) == place;
    rest.remove_prefix(colon + 1);
    const auto slash = rest.find('/');
    const auto bytes = parse_bytes(rest.substr(0, slash));
    if (!bytes || *bytes == 0) refuse(text);
    std::size_t every = 1;
    if (slash != std::string_view::npos)
        every = std::strtoull(std::string(rest.substr(slash + 1)).c_str(), nullptr, 10);
    if (every == 0) refuse(text);
    if (!here) return;
    bytes_ = *bytes;
    every_ = every;
}

void lose(void* block) noexcept {
    asm volatile("" : : "g"(block) : "memory");
}

}  // namespace crucible::base
