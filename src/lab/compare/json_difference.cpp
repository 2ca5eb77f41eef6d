#include "lab/compare/json_difference.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace crucible::lab {
namespace {

using nlohmann::json;

std::optional<JsonDifference> difference_below(const json& first, const json& second,
                                               const std::string& at) {
    const auto below = [&at](const std::string& name) {
        return at.empty() ? name : at + "." + name;
    };
    if (first.is_object() && second.is_object()) {
        for (const auto& [name, member] : first.items()) {
            const auto other = second.find(name);
            if (other == second.end()) return JsonDifference{below(name), member.dump(), {}};
            if (auto found = difference_below(member, *other, below(name))) return found;
        }
        return std::nullopt;
    }
    if (first.is_array() && second.is_array() && first.size() == second.size()) {
        for (std::size_t i = 0; i < first.size(); ++i) {
            if (auto found = difference_below(first[i], second[i], below(std::to_string(i))))
                return found;
        }
        return std::nullopt;
    }
    if (first == second) return std::nullopt;
    return JsonDifference{at, first.dump(), second.dump()};
}

}  // namespace

std::optional<JsonDifference> first_difference(const json& first, const json& second) {
    return difference_below(first, second, "");
}

}  // namespace crucible::lab
