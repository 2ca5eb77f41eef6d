#include "lab/report/page_scaling.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "lab/report/charts.h"
#include "lab/report/page.h"
#include "lab/report/typography.h"

namespace crucible::lab::report {
namespace {

void write_sentences(Page& page, const std::vector<std::string>& lines) {
    for (const auto& line : lines) page.add("<li>{}</li>", escape_html(typeset(line)));
}

template <typename Columns, typename Rows, typename Cells>
void scaling_table(Page& page, const std::string& caption, const Columns& columns, const Rows& rows,
                   const Cells& cells_of) {
    page.begin_frame(caption);
    page.add("<table><caption>{}</caption><thead><tr>", escape_html(caption));
    for (std::size_t i = 0; i < columns.size(); ++i)
        page.add(R"(<th scope="col"{}>{}</th>)", i == 0 ? "" : R"( class="num")", columns[i]);
    page.add("</tr></thead><tbody>");
    for (const auto& row : rows) {
        const auto cells = cells_of(row);
        page.add(R"(<tr><th scope="row">{}</th>)", escape_html(typeset(cells[0])));
        for (std::size_t i = 1; i < cells.size(); ++i)
            page.add(R"(<td class="num">{}</td>)", escape_html(typeset(cells[i])));
        page.add("</tr>");
    }
    page.add("</tbody></table>");
    page.end_frame();
}

void write_target(Page& page, const ScalingDocument& document, const ScalingTarget& target) {
    page.add("<section><h2>{}</h2><ul>", escape_html(target.target));
    write_sentences(page, breaking_point_sentences(document, target));
    write_sentences(page, law_sentences(document, target));
    write_sentences(page, degradation_sentences(document, target));
    write_sentences(page, slope_sentences(document, target));
    write_sentences(page, bottleneck_sentences(document, target));
    write_sentences(page, limit_sentences(document, target));
    write_sentences(page, forecast_sentences(document, target));
    page.add("</ul>");
    if (!target.points.empty()) {
        scaling_table(page, fmt::format("{} along the axis of {}", target.target, document.axis),
                      kScalingColumns, target.points,
                      [&](const ScalingPoint& point) { return scaling_cells(document, point); });
        for (const auto& point : target.points) {
            for (const auto& remark : point_remarks(document, point))
                page.add(R"(<p class="sub">{}</p>)", escape_html(typeset(remark)));
        }
    }
    page.add("</section>");
}

void write_comparison(Page& page, const ScalingDocument& document,
                      const ScalingComparison& comparison) {
    page.add("<h3>{} over baseline {}</h3>", escape_html(comparison.candidate),
             escape_html(comparison.baseline));
    scaling_table(page,
                  fmt::format("{} over baseline {}, at the same loads in the same rounds",
                              comparison.candidate, comparison.baseline),
                  kScalingRatioColumns, comparison.points,
                  [&](const ComparedPoint& point) { return scaling_ratio_cells(document, point); });
    page.add("<ul>");
    write_sentences(page, curve_comparison_sentences(document, comparison));
    page.add("</ul>");
}

void write_curves(Page& page, const ScalingDocument& document) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kCharts{
        {{"throughput",
          "Events handled a second with their intervals over rounds; the line is the fitted law of "
          "scalability with its interval, dashed upright lines are breaking points."},
         {"latency_p99", "The 99th percentile of latency."},
         {"memory_peak", "Memory of the system, net of the harness."}}};
    page.add(R"(<section><h2>Curves</h2><div class="charts">)");
    for (const auto& [metric, caption] : kCharts)
        write_figure(page, scaling_chart(document, metric), caption);
    page.add("</div>");
    for (const auto& comparison : document.comparisons)
        write_comparison(page, document, comparison);
    page.add("</section>");
}

std::pair<std::string, std::string> scaling_badge(const ScalingDocument& document) {
    if (!document.header.failure.empty()) return {"failed", "FAILED"};
    if (document.header.interrupted) return {"open", "INTERRUPTED"};
    if (document.out_of_time) return {"open", "OUT OF TIME"};
    return {"done", "MEASURED"};
}

}  // namespace

std::string render_page(const ScalingDocument& document) {
    Page page;
    write_head(page, "scaling", headline(document), scaling_badge(document), document.header);
    write_targets(page, document.targets);
    write_alerts(page, document.header, {});
    page.add("<section><h2>{}</h2>", escape_html(document.scenario));
    if (!document.description.empty()) page.add("<p>{}</p>", escape_html(document.description));
    write_load(page, document.load);
    if (!document.slo.empty())
        page.add("<p>Must hold: <code>{}</code></p>", escape_html(document.slo));
    page.add("</section>");
    write_curves(page, document);
    for (const auto& target : document.targets) write_target(page, document, target);
    page.add("<section><h2>How this was measured</h2>");
    page.add(
        "<p>Each trial ran a fresh system and fresh client processes; trials of the targets took "
        "turns in random order. A trial counts only where the load was offered as planned and on "
        "time. CPU and memory are net of the harness alone under the same load.</p>");
    write_meanings(page, {"throughput", "latency_p50", "latency_p99", "cpu_per_event",
                          "memory_peak", "error_rate"});
    write_origin(page, document.header);
    page.add("</section>");
    write_foot(page, document.header);
    return page.take();
}

}  // namespace crucible::lab::report
