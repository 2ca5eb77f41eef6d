#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "lab/profile/symbolized_profile.h"

namespace crucible::lab {

/// Whose values are added to a FlameTree. With one profile alone it is the candidate.
enum class FlameSide : std::uint8_t { baseline, candidate };

/// A function as it was called from the nodes above.
struct FlameNode {
    std::size_t name = 0;    ///< index in FlameTree::names
    std::size_t module = 0;  ///< index in FlameTree::modules
    std::size_t owner = 0;   ///< index in FlameTree::names
    std::size_t parent = 0;
    std::size_t depth = 0;
    /// Of each FlameSide: its own, and with all that it called.
    std::array<double, 2> own{};
    std::array<double, 2> total{};
    double width = 0;     ///< what is drawn; see FlameTree::measure()
    double variance = 0;  ///< of the difference of the totals
    std::vector<std::size_t> children;
};

/// The stacks of one profile, or of two, as a tree: a root, owners, then functions from the
/// outermost inwards. Calls of one function from different lines of another are one node.
class FlameTree {
public:
    FlameTree();

    /// Adds the values of one kind, times `scale`; those that are not positive are left out.
    /// `variances`: of each sample's value; none: they are exact.
    void add(const SymbolizedProfile& profile, std::size_t kind, FlameSide side, double scale,
             std::span<const double> variances = {});

    /// Sums up, and sorts children by name. A node's width is what it has itself, in that profile
    /// where it has more, and the widths of its children. So what only one of two profiles has is
    /// seen too.
    void measure();

    /// nodes()[0] is the root; parents stand before their children.
    const std::vector<FlameNode>& nodes() const noexcept { return nodes_; }
    const std::vector<std::string>& names() const noexcept { return names_; }
    /// Names of modules; the first, "", is that of root and owners.
    const std::vector<std::string>& modules() const noexcept { return modules_; }

private:
    std::size_t child(std::size_t parent, std::size_t name, std::size_t module);
    std::size_t name_index(const std::string& name);
    std::size_t module_index(const std::string& module);

    std::vector<FlameNode> nodes_;
    std::vector<std::string> names_;
    std::vector<std::string> modules_;
    std::unordered_map<std::string, std::size_t> name_indices_;
    std::unordered_map<std::string, std::size_t> module_indices_;
};

}  // namespace crucible::lab
