#include "lab/report/page.h"

#include <algorithm>
#include <span>

#include "lab/report/charts.h"
#include "lab/report/page_style.h"
#include "lab/report/typography.h"

namespace crucible::lab::report {

void Page::begin_frame(std::string_view label) {
    add(R"(<div class="scroll" role="region" tabindex="0" aria-label="{}">)", escape_html(label));
}

void write_head(Page& page, std::string_view kind, const std::string& headline,
                const std::pair<std::string, std::string>& badge, const Header& header) {
    page.add("<!doctype html>");
    page.add(R"(<html lang="en"><head><meta charset="utf-8">)");
    page.add(R"(<meta http-equiv="Content-Security-Policy" content="default-src 'none'; )"
             R"(style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">)");
    page.add(R"(<meta name="viewport" content="width=device-width, initial-scale=1">)");
    page.add(R"(<meta name="color-scheme" content="light dark">)");
    page.add("<title>{} - crucible</title>", escape_html(headline));
    page.add("<style>{}</style></head><body>", page_style());
    page.add(R"(<header><p class="kind"><span class="badge {}">{}</span>)"
             R"(<span>Crucible {}, {}</span></p>)",
             escape_html(badge.first), escape_html(badge.second), kind,
             escape_html(header.started));
    page.add("<h1>{}</h1>", escape_html(headline));
}

std::string value_of(const ComparedMetric& metric, const std::optional<Estimate>& estimate) {
    return escape_html(typeset(format_value(metric.name, metric.unit, estimate)));
}

std::string change_of(const ComparedMetric& metric) {
    if (metric.ratio) return typeset(format_percent_change(*metric.ratio->value) + " %");
    if (!metric.difference) return std::string(kNoValue);
    if (is_nothing(*metric.difference)) return "none";
    return escape_html(typeset(format_difference(metric, *metric.difference->value)));
}

void write_sides(Page& page, const std::vector<Side>& sides) {
    page.add(R"(<dl class="sides">)");
    for (const auto& side : sides) {
        page.add(R"(<div class="side {}"><dt>{}</dt><dd><code>{}</code></dd></div>)", side.mark,
                 side.role, escape_html(side.url));
    }
    page.add("</dl></header><main>");
}

void write_alerts(Page& page, const Header& header, const std::vector<FailedCheck>& failed) {
    if (!header.failure.empty()) {
        page.add(
            R"(<div class="alert"><h2>A target failed: this result is partial</h2><p>{}</p></div>)",
            escape_html(header.failure));
    }
    if (header.interrupted) {
        page.add(R"(<div class="alert"><h2>Interrupted: this result is partial</h2></div>)");
    }
    if (failed.empty()) return;
    page.add(R"(<div class="alert"><h2>{} check{} failed</h2><ul>)", failed.size(),
             failed.size() == 1 ? "" : "s");
    for (const auto& entry : failed) {
        page.add("<li><strong>{}</strong>: {}</li>", escape_html(failed_label(entry)),
                 escape_html(entry.check.detail));
    }
    page.add("</ul></div>");
}

void write_load(Page& page, const Load& load) {
    page.add(R"(<p class="sub">{}</p>)", escape_html(load_sentence(load)));
    for (const auto& phase : load.phases) {
        page.add(R"(<p class="sub"><strong>{}</strong>: {}</p>)", escape_html(phase.name),
                 escape_html(phase_sentence(phase)));
    }
}

void write_ledger(Page& page,
                  const std::vector<std::pair<std::string_view, const Delivery*>>& ledgers) {
    page.begin_frame("Delivery ledger");
    page.add(
        "<table><caption>Delivery: every event accounted for</caption><thead><tr><th "
        "scope=\"col\">Events</th>");
    for (const auto& [label, count] : delivery_columns({}))
        page.add(R"(<th scope="col" class="num">{}</th>)", label);
    page.add("</tr></thead><tbody>");
    for (const auto& [name, delivery] : ledgers) {
        page.add(R"(<tr><th scope="row">{}</th>)", name);
        for (const auto& [label, count] : delivery_columns(*delivery)) {
            const bool bad =
                count > 0 && (label == "rejected" || label == "lost" || label == "duplicated");
            page.add(R"(<td class="num{}">{}</td>)", bad ? " bad" : "", format_integer(count));
        }
        page.add("</tr>");
    }
    page.add("</tbody></table>");
    page.end_frame();
}

void write_harness(Page& page, const std::vector<HarnessCost>& harness) {
    if (harness.empty()) return;
    page.begin_frame("Cost of the harness");
    page.add(
        "<table><caption>The harness alone, against <code>null:</code> under the same "
        "load</caption><tbody>");
    for (const auto& cost : telling_costs(harness)) {
        page.add(R"(<tr><th scope="row">{}</th><td class="num">{}</td></tr>)",
                 escape_html(metric_label(cost.name)),
                 escape_html(typeset(format_value(cost.name, cost.unit, cost.value))));
    }
    page.add("</tbody></table>");
    page.end_frame();
}

void write_checks(Page& page, const std::vector<Check>& checks) {
    if (checks.empty()) return;
    page.begin_frame("Checks");
    page.add("<table><caption>Checks</caption><tbody>");
    for (const auto& check : checks) {
        page.add(R"(<tr><th scope="row">{0}</th><td><span class="chip {1}">{1}</span></td>)"
                 R"(<td class="note">{2}</td></tr>)",
                 escape_html(check_label(check.name)), check.passed ? "passed" : "failed",
                 escape_html(check.detail));
    }
    page.add("</tbody></table>");
    page.end_frame();
}

void write_segments(Page& page, std::string_view caption, const std::vector<SegmentRow>& segments) {
    if (segments.empty()) return;
    page.begin_frame("Stretches of the pattern");
    page.add("<table><caption>{}</caption>", escape_html(caption));
    page.add("<thead><tr>");
    for (const auto column : kSegmentColumns) {
        page.add(R"(<th scope="col"{}>{}</th>)",
                 column == kSegmentColumns.front() ? "" : R"( class="num")", column);
    }
    page.add("</tr></thead><tbody>");
    for (const auto& segment : segments) {
        const auto cells = segment_cells(segment);
        page.add(R"(<tr><th scope="row">{}</th>)", escape_html(cells.front()));
        for (const auto& cell : std::span(cells).subspan(1))
            page.add(R"(<td class="num">{}</td>)", escape_html(typeset(cell)));
        page.add("</tr>");
    }
    page.add("</tbody></table>");
    page.end_frame();
}

const Series* find_series(const std::vector<Series>& all, std::string_view phase,
                          std::string_view name) {
    const auto found = std::ranges::find_if(
        all, [&](const Series& series) { return series.phase == phase && series.name == name; });
    return found == all.end() ? nullptr : &*found;
}

void write_figure(Page& page, const std::string& chart, std::string_view caption) {
    if (chart.empty()) return;
    page.add(R"(<figure><div class="frame">{}</div><figcaption>{}</figcaption></figure>)", chart,
             caption);
}

void write_origin(Page& page, const Header& header) {
    page.add("<h3>Command to reproduce</h3><pre>{}</pre>",
             escape_html(shell_command(header.command)));
    page.add(R"(<h3>Where and when</h3><dl class="facts">)");
    page.add("<dt>Started</dt><dd>{}{}</dd>", escape_html(header.started),
             header.duration_seconds ? fmt::format(", took {:.0f} s", *header.duration_seconds)
                                     : std::string());
    page.add("<dt>Seed</dt><dd>{}</dd>", header.seed);
    if (header.environment) {
        for (const auto& [name, value] : environment_lines(*header.environment))
            page.add("<dt>{}</dt><dd>{}</dd>", name, escape_html(value));
    }
    page.add("</dl>");
}

void write_meanings(Page& page, const std::vector<std::string>& metrics) {
    page.add(R"(<details><summary>What the metrics mean</summary><dl class="facts">)");
    for (const auto& metric : metrics) {
        const auto meaning = metric_meaning(metric);
        if (meaning.empty()) continue;
        page.add("<dt>{}</dt><dd>{}</dd>", escape_html(metric_label(metric)), escape_html(meaning));
    }
    page.add("</dl></details>");
}

void write_foot(Page& page, const Header& header) {
    page.add(
        "</main><footer>Rendered from result.json of crucible {} ({}). This page loads "
        "nothing.</footer></body></html>",
        escape_html(header.version), escape_html(header.commit));
}

}  // namespace crucible::lab::report
