#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "alloc/stacks.h"
#include "lab/profile/module_space.h"
#include "lab/unwind/unwinder.h"

namespace crucible::lab {

/// The stacks of several processes with all of their frames, in one address space. Not thread-safe.
class StackSpace {
public:
    /// Finds all frames of the stacks in `snapshot`, which `reader` has read, and calls
    /// `visit(stack, addresses)` for each: to find them takes most of the time.
    template <typename Visit>
    void each(const alloc::StacksReader& reader, alloc::StackSnapshot& snapshot,
              const Visit& visit) {
        unwind(reader, snapshot);
        std::vector<std::vector<MappedModule>> modules;
        for (const auto& text : snapshot.maps) modules.push_back(modules_of(text));
        for (const auto& stack : snapshot.stacks) {
            const auto mapped = stack.maps ? std::span<const MappedModule>(modules[*stack.maps])
                                           : std::span<const MappedModule>();
            visit(stack, space_.joined(mapped, stack.pcs));
        }
    }

    const std::vector<MappedModule>& modules() const noexcept { return space_.modules(); }

private:
    std::vector<MappedModule> modules_of(const std::string& maps);

    ModuleSpace space_;
    std::map<std::string, std::string> build_ids_;  ///< by path
};

}  // namespace crucible::lab
