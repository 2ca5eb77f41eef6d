#include "lab/memory/stack_space.h"

#include <utility>

namespace crucible::lab {

std::vector<MappedModule> StackSpace::modules_of(const std::string& maps) {
    auto modules = parse_maps(maps);
    if (!modules) return {};
    for (auto& module : *modules) {
        if (!module.path.starts_with('/')) continue;
        const auto [known, is_new] = build_ids_.try_emplace(module.path);
        if (is_new) known->second = read_build_id(module.path).value_or("");
        module.build_id = known->second;
    }
    return *std::move(modules);
}

}  // namespace crucible::lab
