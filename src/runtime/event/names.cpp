#include <array>

#include "crucible/event.h"
#include "crucible/service.h"

namespace crucible {
namespace {

constexpr std::array<std::string_view, kCategoryCount> kCategories{
    "filesystem", "database", "external", "mcp", "service", "system", "custom"};
constexpr std::array<std::string_view, kPriorityCount> kPriorities{"critical", "high", "normal",
                                                                   "low"};
constexpr std::array<std::string_view, 4> kOutcomes{"handled", "rejected", "failed", "expired"};

template <typename Enum, std::size_t kCount>
std::string_view name_of(const std::array<std::string_view, kCount>& names, Enum value) noexcept {
    const auto index = static_cast<std::size_t>(value);
    return index < kCount ? names[index] : "unknown";
}

template <typename Enum, std::size_t kCount>
std::optional<Enum> value_of(const std::array<std::string_view, kCount>& names,
                             std::string_view name) noexcept {
    for (std::size_t index = 0; index < kCount; ++index) {
        if (names[index] == name) return static_cast<Enum>(index);
    }
    return std::nullopt;
}

}  // namespace

std::string_view to_string(Category category) noexcept {
    return name_of(kCategories, category);
}
std::string_view to_string(Priority priority) noexcept {
    return name_of(kPriorities, priority);
}
std::string_view to_string(Outcome outcome) noexcept {
    return name_of(kOutcomes, outcome);
}

std::optional<Category> parse_category(std::string_view name) noexcept {
    return value_of<Category>(kCategories, name);
}
std::optional<Priority> parse_priority(std::string_view name) noexcept {
    return value_of<Priority>(kPriorities, name);
}

}  // namespace crucible
