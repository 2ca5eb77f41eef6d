#include "lab/profile/flame_tree.h"

#include <algorithm>
#include <ranges>

#include "base/assert.h"
#include "lab/profile/folded.h"

namespace crucible::lab {
namespace {

std::size_t index_in(std::vector<std::string>& all,
                     std::unordered_map<std::string, std::size_t>& indices,
                     const std::string& text) {
    const auto [entry, is_new] = indices.try_emplace(text, all.size());
    if (is_new) all.push_back(text);
    return entry->second;
}

}  // namespace

FlameTree::FlameTree() {
    module_index("");
    nodes_.push_back({.name = name_index("all")});
}

std::size_t FlameTree::name_index(const std::string& name) {
    return index_in(names_, name_indices_, name);
}

std::size_t FlameTree::module_index(const std::string& module) {
    return index_in(modules_, module_indices_, module);
}

std::size_t FlameTree::child(std::size_t parent, std::size_t name, std::size_t module) {
    for (const auto index : nodes_[parent].children) {
        if (nodes_[index].name == name && nodes_[index].module == module) return index;
    }
    const auto index = nodes_.size();
    nodes_[parent].children.push_back(index);
    const auto& above = nodes_[parent];
    nodes_.push_back({.name = name,
                      .module = module,
                      .owner = parent == 0 ? name : above.owner,
                      .parent = parent,
                      .depth = above.depth + 1});
    return index;
}

void FlameTree::add(const SymbolizedProfile& profile, std::size_t kind, FlameSide side,
                    double scale, std::span<const double> variances) {
    CRUCIBLE_ASSERT(kind < profile.kinds.size() && scale > 0);
    CRUCIBLE_ASSERT(variances.empty() || variances.size() == profile.samples.size());
    for (std::size_t i = 0; i < profile.samples.size(); ++i) {
        const auto& sample = profile.samples[i];
        if (sample.values[kind] <= 0) continue;
        const auto owner = name_index(sample.owner.empty() ? std::string(kNoOwner) : sample.owner);
        auto node = child(0, owner, 0);
        for (const auto index : sample.stack | std::views::reverse) {
            const auto& location = profile.locations[index];
            const auto module =
                module_index(location.module ? std::string(profile.modules[*location.module].name())
                                             : "[no module]");
            for (const auto& frame : location.frames | std::views::reverse)
                node = child(node, name_index(frame.function), module);
        }
        nodes_[node].own[static_cast<std::size_t>(side)] +=
            static_cast<double>(sample.values[kind]) * scale;
        if (!variances.empty()) nodes_[node].variance += variances[i] * scale * scale;
    }
}

void FlameTree::measure() {
    for (auto& node : nodes_) {
        node.total = node.own;
        node.width = std::ranges::max(node.own);
    }
    for (std::size_t i = nodes_.size() - 1; i > 0; --i) {
        auto& above = nodes_[nodes_[i].parent];
        above.width += nodes_[i].width;
        above.variance += nodes_[i].variance;
        for (std::size_t side = 0; side < 2; ++side) above.total[side] += nodes_[i].total[side];
    }
    for (auto& node : nodes_) {
        std::ranges::sort(node.children, {}, [this](std::size_t index) {
            return std::pair(std::string_view(names_[nodes_[index].name]), nodes_[index].module);
        });
    }
}

}  // namespace crucible::lab
