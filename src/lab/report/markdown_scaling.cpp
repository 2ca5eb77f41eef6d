#include "lab/report/markdown_parts.h"

namespace crucible::lab::report {
namespace {

template <typename Columns>
void scaling_heads(Markdown& text, const Columns& columns) {
    text.row({columns.begin(), columns.end()});
    text.row(std::vector<std::string>(columns.size(), "---:"));
}

void write_lines(Markdown& text, const std::vector<std::string>& lines) {
    for (const auto& line : lines) text.line("- {}", plain(line));
}

void write_target(Markdown& text, const ScalingDocument& document, const ScalingTarget& target) {
    text.line("## {}", code(target.target));
    text.blank();
    write_lines(text, breaking_point_sentences(document, target));
    write_lines(text, law_sentences(document, target));
    write_lines(text, degradation_sentences(document, target));
    write_lines(text, slope_sentences(document, target));
    write_lines(text, bottleneck_sentences(document, target));
    write_lines(text, limit_sentences(document, target));
    write_lines(text, forecast_sentences(document, target));
    text.blank();
    if (target.points.empty()) return;
    scaling_heads(text, kScalingColumns);
    for (const auto& point : target.points) {
        const auto cells = scaling_cells(document, point);
        text.row({cells.begin(), cells.end()});
    }
    text.blank();
    for (const auto& point : target.points) write_lines(text, point_remarks(document, point));
    text.blank();
}

void write_comparison(Markdown& text, const ScalingDocument& document,
                      const ScalingComparison& comparison) {
    text.line("### {} over baseline {}", code(comparison.candidate), code(comparison.baseline));
    text.blank();
    scaling_heads(text, kScalingRatioColumns);
    for (const auto& point : comparison.points) {
        const auto cells = scaling_ratio_cells(document, point);
        text.row({cells.begin(), cells.end()});
    }
    text.blank();
    text.line("Candidate over baseline, at the same loads in the same rounds.");
    text.blank();
    write_lines(text, curve_comparison_sentences(document, comparison));
    text.blank();
}

}  // namespace

std::string render_scaling(const ScalingDocument& document) {
    Markdown text;
    text.line("# {}", plain(headline(document)));
    text.blank();
    write_alerts(text, document.header, {});
    write_load(text, document.scenario, document.description, document.load);
    if (!document.slo.empty()) text.line("- must hold: {}", code(document.slo));
    text.blank();
    for (const auto& target : document.targets) write_target(text, document, target);
    if (!document.comparisons.empty()) {
        text.line("## Compared");
        text.blank();
        for (const auto& comparison : document.comparisons)
            write_comparison(text, document, comparison);
    }
    write_origin(text, document.header);
    return text.take();
}

}  // namespace crucible::lab::report
