#include "lab/profile/flame_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "lab/profile/demangle.h"
#include "lab/profile/flame_colour.h"
#include "lab/profile/flame_script.h"
#include "lab/profile/flame_tree.h"
#include "lab/profile/utf8.h"

namespace crucible::lab {
namespace {

// In pixels.
constexpr double kWidth = 1200;
constexpr double kMargin = 10;
constexpr double kFramesWidth = kWidth - 2 * kMargin;
constexpr double kRow = 18;
constexpr double kFramesTop = 78;
constexpr double kKeyRow = 20;
constexpr double kLetterWidth = 6.6;  ///< of the script too
constexpr double kSmallestWidth = 0.1;

/// Where a node is drawn.
struct FlameBox {
    std::size_t node;
    double x;
    double width;
};

/// Everything of a graph that the kinds of graphs differ in.
struct FlameContent {
    const FlameTree& tree;
    const FlameGraphOptions& options;
    std::vector<FlameKey> key;
    std::function<std::string(const FlameNode&)> colour;
    std::function<std::string(const FlameNode&)> figures;
    std::vector<std::string> remarks;
};

/// Boxes from left to right and from the root on, and how many nodes are too narrow.
std::pair<std::vector<FlameBox>, std::size_t> lay_out(const FlameTree& tree) {
    const auto& nodes = tree.nodes();
    std::vector<FlameBox> boxes;
    if (nodes[0].width <= 0) return {};
    const double scale = kFramesWidth / nodes[0].width;
    std::vector<FlameBox> open = {{0, kMargin, kFramesWidth}};
    while (!open.empty()) {
        const auto box = open.back();
        open.pop_back();
        boxes.push_back(box);
        double x = box.x;
        const auto first = open.size();
        for (const auto index : nodes[box.node].children) {
            const double width = nodes[index].width * scale;
            if (width >= kSmallestWidth) open.push_back({index, x, width});
            x += width;
        }
        std::reverse(open.begin() + static_cast<std::ptrdiff_t>(first), open.end());
    }
    return {std::move(boxes), nodes.size() - boxes.size()};
}

template <typename... Args>
void add(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
}

/// The whole name, without parameters, or its last part: the first that has room, or what has room
/// of it. flame_script.cpp does the same when it zooms.
std::string label_of(const std::string& name, const std::string& shorter, double width) {
    const double room = std::floor((width - 6) / kLetterWidth);
    if (room < 3) return {};
    const auto letters = static_cast<std::size_t>(room);
    const auto colons = shorter.rfind("::");
    const auto last = colons == std::string::npos ? shorter : shorter.substr(colons + 2);
    for (const auto& text : {name, shorter}) {
        if (cut_to(text, letters) == text) return text;
    }
    return cut_to(last, letters);
}

void add_frame(std::string& out, const FlameContent& content, const FlameBox& box, double y) {
    const auto& node = content.tree.nodes()[box.node];
    const auto name = valid_utf8(content.tree.names()[node.name]);
    const auto& module = content.tree.modules()[node.module];
    const auto shorter = node.module == 0 ? name : short_name(name);
    add(out, "<g class=\"frame\" data-depth=\"{}\"", node.depth);
    if (shorter != name) add(out, " data-short=\"{}\"", xml_text(shorter));
    add(out, "><title>{}\n{}", xml_text(name), xml_text(content.figures(node)));
    if (!module.empty()) add(out, "\n{}", xml_text(module));
    add(out,
        "</title><rect x=\"{:.7g}\" y=\"{:.7g}\" width=\"{:.7g}\" height=\"{:.7g}\" rx=\"1\" "
        "fill=\"{}\"/><text x=\"{:.7g}\" y=\"{:.7g}\">{}</text></g>\n",
        box.x, y, box.width, kRow - 1, content.colour(node), box.x + 3, y + 12.5,
        xml_text(label_of(name, shorter, box.width)));
}

/// Colours with their texts, in as many rows as they need; returns where it ends.
double add_key(std::string& out, const std::vector<FlameKey>& key, double y) {
    double x = kMargin;
    for (const auto& [colour, text] : key) {
        const auto shown = cut_to(valid_utf8(text), 60);
        const double width = 30 + 7.2 * static_cast<double>(shown.size());
        if (x + width > kWidth - kMargin && x > kMargin) {
            x = kMargin;
            y += kKeyRow;
        }
        add(out,
            "<rect x=\"{:.7g}\" y=\"{:.7g}\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{}\"/>"
            "<text class=\"soft\" x=\"{:.7g}\" y=\"{:.7g}\">{}</text>\n",
            x, y, colour, x + 17, y + 10, xml_text(shown));
        x += width;
    }
    return key.empty() ? y : y + kKeyRow;
}

std::string draw(const FlameContent& content) {
    const auto [boxes, left_out] = lay_out(content.tree);
    const auto& nodes = content.tree.nodes();
    std::size_t depth = 0;
    for (const auto& box : boxes) depth = std::max(depth, nodes[box.node].depth);
    const double frames_height = kRow * static_cast<double>(depth + 1);

    std::string body;
    for (const auto& box : boxes) {
        const auto row = nodes[box.node].depth;
        add_frame(
            body, content, box,
            kFramesTop + kRow * static_cast<double>(content.options.icicle ? row : depth - row));
    }
    double y = kFramesTop + frames_height + 12;
    y = add_key(body, content.key, y);
    auto remarks = content.remarks;
    if (boxes.empty()) remarks.insert(remarks.begin(), "There is nothing to show: no values.");
    if (left_out > 0) {
        remarks.insert(remarks.begin(),
                       fmt::format("{} frames narrower than {} pixels are left out", left_out,
                                   kSmallestWidth));
    }
    for (const auto& remark : remarks) {
        add(body, "<text class=\"soft\" x=\"{:.7g}\" y=\"{:.7g}\">{}</text>\n", kMargin, y + 10,
            xml_text(remark));
        y += kKeyRow;
    }

    std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    add(out,
        "<svg class=\"flame\" xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.7g}\" "
        "height=\"{1:.7g}\" viewBox=\"0 0 {0:.7g} {1:.7g}\" aria-label=\"{2}\">\n"
        "<title>{2}</title>\n<style><![CDATA[{3}]]></style>\n"
        "<rect class=\"page\" width=\"{0:.7g}\" height=\"{1:.7g}\"/>\n"
        "<text class=\"heading\" x=\"{4:.7g}\" y=\"27\">{2}</text>\n"
        "<text class=\"soft\" x=\"{4:.7g}\" y=\"46\">{5}</text>\n"
        "<text class=\"details\" x=\"{4:.7g}\" y=\"66\"></text>\n"
        "<text class=\"reset\" x=\"870\" y=\"27\">Reset zoom</text>\n"
        "<rect class=\"search\" x=\"950\" y=\"10\" width=\"240\" height=\"26\" "
        "visibility=\"hidden\"/>\n",
        kWidth, y + 8, xml_text(content.options.title), kFlameStyle, kMargin,
        xml_text(content.options.subtitle));
    out += body;
    add(out, "<script><![CDATA[{}]]></script>\n</svg>\n", kFlameScript);
    return out;
}

/// Of the 95 % interval of a difference.
double half_interval(const FlameNode& node) {
    constexpr double kZ = 1.959963985;
    return kZ * std::sqrt(node.variance);
}

/// Whether its difference may be nothing but how samples fell.
bool may_be_equal(const FlameNode& node) {
    return std::abs(node.total[1] - node.total[0]) <= half_interval(node);
}

std::string percent_text(double part, double whole) {
    return fmt::format("{:.2f} %", whole > 0 ? 100 * part / whole : 0);
}

}  // namespace

std::string write_flame_graph(const SymbolizedProfile& profile, std::size_t kind,
                              const FlameGraphOptions& options) {
    FlameTree tree;
    tree.add(profile, kind, FlameSide::candidate, 1);
    tree.measure();
    const FlamePalette palette(tree, options.colour);
    const auto& unit = profile.kinds[kind].unit;
    return draw({.tree = tree,
                 .options = options,
                 .key = palette.key(),
                 .colour = [&palette](const FlameNode& node) { return palette.colour(node); },
                 .figures =
                     [&](const FlameNode& node) {
                         return fmt::format("{} ({})", format_value(node.total[1], unit),
                                            percent_text(node.total[1], tree.nodes()[0].total[1]));
                     },
                 .remarks = profile.remarks});
}

std::string write_differential_flame_graph(const FlameComparison& comparison,
                                           const FlameGraphOptions& options) {
    const auto& kind = comparison.baseline.kinds.at(comparison.baseline_kind);
    CRUCIBLE_ASSERT(kind == comparison.candidate.kinds.at(comparison.candidate_kind));
    FlameTree tree;
    tree.add(comparison.baseline, comparison.baseline_kind, FlameSide::baseline,
             comparison.baseline_scale, comparison.baseline_variances);
    tree.add(comparison.candidate, comparison.candidate_kind, FlameSide::candidate,
             comparison.candidate_scale, comparison.candidate_variances);
    tree.measure();
    const auto value = [&](double amount) {
        auto text = format_value(amount, kind.unit);
        return comparison.per.empty() ? text : text + " per " + comparison.per;
    };
    auto remarks = comparison.baseline.remarks;
    for (auto& remark : remarks) remark.insert(0, "baseline: ");
    for (const auto& remark : comparison.candidate.remarks)
        remarks.push_back("candidate: " + remark);
    if (tree.nodes()[0].variance > 0)
        remarks.push_back(
            "frames whose difference may be all of the sampling are coloured as equal ones");
    return draw({.tree = tree,
                 .options = options,
                 .key = difference_key(),
                 .colour =
                     [](const FlameNode& node) {
                         if (may_be_equal(node)) return difference_colour(1, 1);
                         return difference_colour(node.total[0], node.total[1]);
                     },
                 .figures =
                     [&](const FlameNode& node) {
                         const auto [baseline, candidate] = node.total;
                         const double change = candidate - baseline;
                         auto text = fmt::format("baseline {}, candidate {}, {}{}", value(baseline),
                                                 value(candidate), change < 0 ? "−" : "+",
                                                 value(std::abs(change)));
                         if (baseline > 0)
                             text += fmt::format(" ({:+.1f} %)", 100 * change / baseline);
                         if (node.variance > 0) text += " ± " + value(half_interval(node));
                         return text;
                     },
                 .remarks = std::move(remarks)});
}

}  // namespace crucible::lab
