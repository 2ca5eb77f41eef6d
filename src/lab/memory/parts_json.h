#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "lab/memory/memory_parts.h"

namespace crucible::lab {

/// The members `owners`, `stages`, `sizes`, `threads`, `categories` and `in_flight` of a target in
/// crucible.memory/1, from the rounds' figures.
nlohmann::json owners_json(const std::vector<MemoryFigures>& rounds);
nlohmann::json stages_json(const std::vector<MemoryFigures>& rounds);
nlohmann::json sizes_json(const std::vector<MemoryFigures>& rounds);
nlohmann::json threads_json(const std::vector<MemoryFigures>& rounds);
nlohmann::json categories_json(const std::map<Category, CategoryAlone>& alone);
nlohmann::json in_flight_json(const std::vector<MemoryFigures>& rounds);

/// The member `parts` of the comparison.
nlohmann::json compared_parts_json(const std::vector<ComparedPart>& parts);

}  // namespace crucible::lab
