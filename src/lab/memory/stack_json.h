#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "lab/memory/memory_profile.h"

namespace crucible::lab {

/// The members `stacks`, `lifetimes` and `leak` of a target in crucible.memory/1.
nlohmann::json stacks_json(const TargetStacks& stacks,
                           const std::map<std::string, std::string>& files);
nlohmann::json lifetimes_json(const MemoryCell& cell);
nlohmann::json leak_watch_json(const LeakWatch& watch);

}  // namespace crucible::lab
