#include "lab/profile/module_space.h"

#include <algorithm>

namespace crucible::lab {
namespace {

/// Above everything that a process can have: addresses of none of the modules stay distinct.
constexpr std::uint64_t kFirstAddress = std::uint64_t{1} << 56;
/// Larger than any file that is mapped.
constexpr std::uint64_t kDistance = std::uint64_t{1} << 40;

}  // namespace

std::vector<std::uint64_t> ModuleSpace::joined(std::span<const MappedModule> modules,
                                               std::span<const std::uint64_t> stack) {
    std::vector<std::uint64_t> result;
    result.reserve(stack.size());
    for (const std::uint64_t address : stack) {
        // The call: it may be the last thing in its module, and what follows in another.
        const auto found = address == 0 ? std::nullopt : find_module(modules, address - 1);
        if (!found) {
            result.push_back(address);
            continue;
        }
        const MappedModule& module = modules[*found];
        const Key key{module.path, module.build_id, module.file_offset,
                      module.path.starts_with('/') ? 0 : module.start};
        const auto [entry, is_new] = indices_.try_emplace(key, modules_.size());
        if (is_new) {
            auto& added = modules_.emplace_back(module);
            added.start = kFirstAddress + kDistance * entry->second;
            added.end = added.start;
        }
        auto& joined = modules_[entry->second];
        joined.end = std::max(joined.end, joined.start + (module.end - module.start));
        joined.deleted |= module.deleted;
        result.push_back(joined.start + (address - module.start));
    }
    return result;
}

}  // namespace crucible::lab
