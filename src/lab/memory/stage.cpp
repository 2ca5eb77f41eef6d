#include "lab/memory/stage.h"

#include <algorithm>
#include <utility>

#include "crucible/event.h"

namespace crucible::lab {
namespace {

constexpr std::array<std::pair<std::string_view, Stage>, 8> kOwners{{
    {"target", Stage::client},
    {"client stub", Stage::client},
    {"session", Stage::transport},
    {"router", Stage::router},
    {"queue", Stage::queue},
    {"services", Stage::service},
    {"checkpoint", Stage::service},
    {"acknowledgement", Stage::acknowledgement},
}};

/// "database-12": a service is called by the first of its categories, and a number.
bool is_service(std::string_view owner) noexcept {
    const auto dash = owner.rfind('-');
    if (dash == std::string_view::npos || dash + 1 == owner.size()) return false;
    return parse_category(owner.substr(0, dash)) &&
           std::ranges::all_of(owner.substr(dash + 1), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string_view to_string(Stage stage) noexcept {
    constexpr std::array<std::string_view, kStages.size()> kNames{
        "client", "transport", "router", "queue", "service", "acknowledgement", "elsewhere"};
    return kNames[static_cast<std::size_t>(stage)];
}

Stage stage_of(std::string_view owner) noexcept {
    const auto* const known =
        std::ranges::find(kOwners, owner, &std::pair<std::string_view, Stage>::first);
    if (known != kOwners.end()) return known->second;
    return is_service(owner) ? Stage::service : Stage::elsewhere;
}

}  // namespace crucible::lab
