#include <fmt/format.h>

#include <array>

#include "lab/report/terminal_parts.h"

namespace crucible::lab::report {
namespace {

constexpr std::array<std::size_t, 8> kPointWidths{10, 10, 17, 9, 9, 10, 9, 5};
/// Without the median's latency, for which 80 columns have no room.
constexpr std::array<std::size_t, 5> kRatioWidths{10, 23, 0, 23, 23};

/// Columns of no width are left out.
template <typename Cells, typename Widths>
std::string scaling_row(const TerminalText& text, const Cells& cells, const Widths& widths) {
    std::string line = " ";
    for (std::size_t i = 0; i < cells.size(); ++i)
        if (widths[i] > 0) line += text.cell(cells[i], widths[i], true);
    return line;
}

void write_points(TerminalText& text, const ScalingDocument& document,
                  const ScalingTarget& target) {
    if (target.points.empty()) return;
    text.blank();
    text.line(scaling_row(text, kScalingColumns, kPointWidths), Ink::dim);
    for (const auto& point : target.points)
        text.line(scaling_row(text, scaling_cells(document, point), kPointWidths));
    for (const auto& point : target.points) {
        for (const auto& remark : point_remarks(document, point))
            text.item("-", remark, 1, Ink::dim);
    }
}

void write_lines(TerminalText& text, const std::vector<std::string>& lines) {
    for (const auto& line : lines) text.item("-", line, 1);
}

void write_ratios(TerminalText& text, const ScalingDocument& document,
                  const ScalingComparison& comparison) {
    text.blank();
    text.paragraph(fmt::format("{} over baseline {}, at the same loads in the same rounds [95 %]",
                               comparison.candidate, comparison.baseline),
                   0, Ink::bold);
    text.line(scaling_row(text, kScalingRatioColumns, kRatioWidths), Ink::dim);
    for (const auto& point : comparison.points)
        text.line(scaling_row(text, scaling_ratio_cells(document, point), kRatioWidths));
    write_lines(text, curve_comparison_sentences(document, comparison));
}

}  // namespace

std::string render_scaling(const ScalingDocument& document, std::size_t width, bool colour) {
    TerminalText text(width, colour);
    text.paragraph(headline(document), 0, Ink::bold);
    write_load(text, document.scenario, document.description, document.load);
    if (!document.slo.empty()) text.item("must hold:", document.slo, 2);
    for (const auto& target : document.targets) {
        text.blank();
        text.line(target.target, Ink::bold);
        write_lines(text, breaking_point_sentences(document, target));
        write_lines(text, law_sentences(document, target));
        write_lines(text, degradation_sentences(document, target));
        write_lines(text, slope_sentences(document, target));
        write_lines(text, bottleneck_sentences(document, target));
        write_lines(text, limit_sentences(document, target));
        write_lines(text, forecast_sentences(document, target));
        write_points(text, document, target);
    }
    for (const auto& comparison : document.comparisons) write_ratios(text, document, comparison);
    text.blank();
    text.paragraph(
        "done: events handled a second; held: trials in which nothing broke. CPU and memory are "
        "net of the harness.",
        0, Ink::dim);
    write_closing(text, document.header);
    return text.take();
}

}  // namespace crucible::lab::report
