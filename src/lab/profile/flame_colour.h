#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lab/profile/flame_graph.h"
#include "lab/profile/flame_tree.h"

namespace crucible::lab {

/// A colour of a flame graph and what it stands for.
struct FlameKey {
    std::string colour;
    std::string text;
};

/// The colours of frames: one hue for each module or owner, the most frequent ones apart.
class FlamePalette {
public:
    FlamePalette(const FlameTree& tree, FlameColour by);
    /// "#rrggbb"; functions of one module differ a little.
    std::string colour(const FlameNode& node) const;
    /// What the hues stand for, the widest first.
    std::vector<FlameKey> key() const;

private:
    std::size_t group_of(const FlameNode& node) const;

    const FlameTree& tree_;
    FlameColour by_;
    std::vector<std::size_t> rank_;    ///< of each module or owner
    std::vector<std::size_t> ranked_;  ///< the other way round
};

/// From blue, what only the baseline has, over nearly white to red, what only the candidate has.
std::string difference_colour(double baseline, double candidate);
std::vector<FlameKey> difference_key();

/// "4.2 MiB", "12,345", "1.53 ms".
std::string format_value(double value, std::string_view unit);

}  // namespace crucible::lab
