#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace crucible::lab {

/// A place where two JSON values differ.
struct JsonDifference {
    std::string place;                  ///< "scenarios.0.load.clients"
    std::string first;                  ///< what the first holds there, as JSON
    std::optional<std::string> second;  ///< none: the second has no such member
};

/// The first one, in the order of the first value's members; none when they are equal. Members that
/// only the second has do not count.
std::optional<JsonDifference> first_difference(const nlohmann::json& first,
                                               const nlohmann::json& second);

}  // namespace crucible::lab
