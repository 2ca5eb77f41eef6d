#include "lab/profile/flame_colour.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "base/units.h"

namespace crucible::lab {
namespace {

/// In degrees, far apart one after the other. All are drawn light, as dark text stands on them.
constexpr std::array<double, 8> kHues = {28, 205, 130, 290, 55, 175, 340, 245};
constexpr std::string_view kNoGroup = "#d5d9e0";  ///< root, owners, and what has no hue of its own

struct Rgb {
    double red;
    double green;
    double blue;
};

std::string hexadecimal(const Rgb& colour) {
    const auto byte = [](double share) {
        return static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * 255));
    };
    return fmt::format("#{:02x}{:02x}{:02x}", byte(colour.red), byte(colour.green),
                       byte(colour.blue));
}

/// As CSS's hsl().
Rgb from_hsl(double hue, double saturation, double lightness) {
    const auto channel = [&](double n) {
        const double k = std::fmod(n + hue / 30, 12);
        const double a = saturation * std::min(lightness, 1 - lightness);
        return lightness - a * std::max(-1.0, std::min({k - 3, 9 - k, 1.0}));
    };
    return {channel(0), channel(8), channel(4)};
}

/// In [0, 1), the same everywhere for one name.
double name_share(std::string_view name) {
    std::uint32_t hash = 2166136261;
    for (const char letter : name) hash = (hash ^ static_cast<unsigned char>(letter)) * 16777619U;
    return static_cast<double>(hash >> 8) / (1 << 24);
}

Rgb mix(const Rgb& from, const Rgb& to, double share) {
    return {std::lerp(from.red, to.red, share), std::lerp(from.green, to.green, share),
            std::lerp(from.blue, to.blue, share)};
}

}  // namespace

FlamePalette::FlamePalette(const FlameTree& tree, FlameColour by) : tree_(tree), by_(by) {
    const auto count = by == FlameColour::module ? tree.modules().size() : tree.names().size();
    std::vector<double> widths(count);
    for (const auto& node : tree.nodes()) {
        // An owner once, at its own node; a module by what its functions have below them.
        const bool counts = by == FlameColour::module ? node.module != 0 : node.depth == 1;
        if (counts) widths[group_of(node)] += node.width;
    }
    ranked_.resize(count);
    std::iota(ranked_.begin(), ranked_.end(), std::size_t{0});
    std::ranges::stable_sort(ranked_, std::ranges::greater(),
                             [&widths](std::size_t group) { return widths[group]; });
    rank_.resize(count);
    for (std::size_t i = 0; i < count; ++i) rank_[ranked_[i]] = i;
    std::erase_if(ranked_, [&widths](std::size_t group) { return widths[group] <= 0; });
}

std::size_t FlamePalette::group_of(const FlameNode& node) const {
    return by_ == FlameColour::module ? node.module : node.owner;
}

std::string FlamePalette::colour(const FlameNode& node) const {
    if (node.depth == 0 || (by_ == FlameColour::module && node.module == 0))
        return std::string(kNoGroup);
    const auto rank = rank_[group_of(node)];
    if (rank >= kHues.size()) return std::string(kNoGroup);
    const double lightness = 0.70 + 0.12 * name_share(tree_.names()[node.name]);
    return hexadecimal(from_hsl(kHues[rank], 0.68, lightness));
}

std::vector<FlameKey> FlamePalette::key() const {
    std::vector<FlameKey> key;
    for (std::size_t i = 0; i < std::min(ranked_.size(), kHues.size()); ++i) {
        const auto& all = by_ == FlameColour::module ? tree_.modules() : tree_.names();
        key.push_back({hexadecimal(from_hsl(kHues[i], 0.68, 0.76)), all[ranked_[i]]});
    }
    if (ranked_.size() > kHues.size())
        key.push_back(
            {std::string(kNoGroup), fmt::format("{} others", ranked_.size() - kHues.size())});
    return key;
}

std::string difference_colour(double baseline, double candidate) {
    constexpr Rgb kSame{0.94, 0.94, 0.95};
    constexpr Rgb kMore{0.93, 0.42, 0.32};
    constexpr Rgb kLess{0.36, 0.62, 0.90};
    const double larger = std::max(baseline, candidate);
    const double change = larger > 0 ? (candidate - baseline) / larger : 0;
    return hexadecimal(mix(kSame, change > 0 ? kMore : kLess, std::abs(change)));
}

std::vector<FlameKey> difference_key() {
    return {{difference_colour(1, 0), "only the baseline"},
            {difference_colour(2, 1), "half as much"},
            {difference_colour(1, 1), "as much"},
            {difference_colour(1, 2), "twice as much"},
            {difference_colour(0, 1), "only the candidate"}};
}

std::string format_value(double value, std::string_view unit) {
    if (unit == "bytes") return base::format_bytes(value);
    if (unit == "byte_seconds") return base::format_bytes(value) + "·s";
    if (unit == "nanoseconds") return base::format_duration(value * 1e-9);
    if (unit == "seconds") return base::format_duration(value);
    const auto count = base::format_count(value);
    return unit == "count" ? count : fmt::format("{} {}", count, unit);
}

}  // namespace crucible::lab
