#include "lab/report/page_observation.h"

#include <algorithm>
#include <array>

#include "lab/report/charts.h"
#include "lab/report/page.h"
#include "lab/report/typography.h"

namespace crucible::lab::report {
namespace {

std::string figure(std::string_view text) {
    return escape_html(typeset(text));
}

std::string looks_chip(const ComparedMetric& metric) {
    return fmt::format(R"(<span class="chip {}">{}</span>)", escape_html(metric.verdict),
                       escape_html(looks_word(metric.verdict)));
}

void write_card(Page& page, const ComparedMetric& metric) {
    page.add(R"(<div class="card {}"><span class="name">{}</span><span class="big">{}</span>)",
             escape_html(metric.verdict), escape_html(metric_label(metric.name)),
             change_of(metric));
    page.add(R"(<span class="from">{} → {}</span>{}</div>)", value_of(metric, metric.baseline),
             value_of(metric, metric.candidate), looks_chip(metric));
}

void write_metric(Page& page, const ObservedMetric& metric) {
    const auto& compared = metric.compared;
    page.add(R"(<tr><th scope="row" title="{}">{}</th>)",
             escape_html(metric_meaning(compared.name)), escape_html(metric_label(compared.name)));
    page.add(R"(<td class="num">{}</td><td class="num">{}</td><td class="num">{}</td>)",
             value_of(compared, compared.baseline), value_of(compared, compared.candidate),
             compared.ratio ? change_of(compared) : std::string(kNoValue));
    const auto interval = compared.ratio ? format_ratio_interval(*compared.ratio) : std::string();
    page.add(R"(<td class="range">{}</td><td>{}</td><td class="range">{}</td>)",
             interval.empty() ? interval : figure("[" + interval + "]"), looks_chip(compared),
             figure(format_whole_difference(compared)));
    page.add(R"(<td class="num">{}</td><td class="num">{}</td><td class="range">{}</td>)",
             figure(format_p_value(metric.p_rank_sum)), figure(format_p_value(metric.p_welch)),
             figure(format_delta(metric.cliffs_delta)));
    page.add(R"(<td class="note">{}</td></tr>)", escape_html(compared.reason));
}

void write_group(Page& page, std::string_view title, const ObservedScenario& scenario, bool gated) {
    const auto in_group = [gated](const ObservedMetric& metric) {
        return metric.compared.gated == gated;
    };
    if (std::ranges::none_of(scenario.metrics, in_group)) return;
    page.add(R"(<tbody class="{}"><tr><td class="group" colspan="11">{}</td></tr>)",
             gated ? "gated" : "rest", title);
    for (const auto& metric : scenario.metrics)
        if (in_group(metric)) write_metric(page, metric);
    page.add("</tbody>");
}

void write_metrics(Page& page, const ObservedScenario& scenario) {
    constexpr std::array<std::string_view, 11> kColumns{
        "Metric",     "Baseline",   "Candidate",  "Change",        "95 % interval", "Looks",
        "Difference", "p by ranks", "p by means", "Cliff's delta", "Because"};
    page.begin_frame("Metrics of " + scenario.name);
    page.add("<table><caption>All metrics</caption><thead><tr>");
    for (const auto column : kColumns) page.add(R"(<th scope="col">{}</th>)", escape_html(column));
    page.add("</tr></thead>");
    const bool one_family = std::ranges::all_of(
        scenario.metrics, [](const ObservedMetric& metric) { return metric.compared.gated; });
    write_group(page, one_family ? "One family" : "Gate family", scenario, true);
    write_group(page, "Also measured", scenario, false);
    page.add("</table>");
    page.end_frame();
}

void write_chart(Page& page, const ObservedScenario& scenario, double margin) {
    std::vector<ComparedMetric> metrics;
    for (const auto& metric : scenario.metrics) metrics.push_back(metric.compared);
    page.add(R"(<div class="charts">)");
    write_figure(page, forest_chart(metrics, margin, looks_word),
                 "Change with its 95 % interval. Shaded: the margin within which nothing matters. "
                 "◂ lower is better, ▸ higher is better. Filled diamond: looks better or worse.");
    page.add("</div>");
}

void write_scenario(Page& page, const ObservedScenario& scenario, double margin) {
    page.add(R"(<section><h2>{}</h2>)", escape_html(scenario.name));
    if (!scenario.description.empty()) page.add("<p>{}</p>", escape_html(scenario.description));
    if (scenario.load) write_load(page, *scenario.load);
    page.add(R"(<p class="sub">{}</p><div class="cards wide">)", repetitions_sentence(scenario));
    for (const auto& metric : scenario.metrics)
        if (metric.compared.gated) write_card(page, metric.compared);
    page.add("</div>");
    write_chart(page, scenario, margin);
    write_metrics(page, scenario);
    if (scenario.baseline_delivery && scenario.candidate_delivery)
        write_ledger(page, {{"Baseline", &*scenario.baseline_delivery},
                            {"Candidate", &*scenario.candidate_delivery}});
    page.add("</section>");
}

void write_input(Page& page, std::string_view role, const Input& input) {
    page.add(R"(<h3>{}</h3><dl class="facts">)", role);
    for (const auto& [name, value] : input_lines(input))
        page.add("<dt>{}</dt><dd>{}</dd>", name, escape_html(value));
    page.add("</dl>");
}

void write_method(Page& page, const ObservationDocument& document) {
    page.add("<section><h2>What was compared</h2>");
    page.add(
        "<p>Results that were stored before, as their files say them. Nothing was measured for "
        "this page. p-values are of \"no difference\", for each metric alone: by ranks "
        "(Mann-Whitney) and by means (Welch). Cliff's delta says how much more often the "
        "candidate's value is the larger one, from −1 to +1.</p>");
    write_input(page, "Baseline", document.baseline);
    write_input(page, "Candidate", document.candidate);
    page.add(R"(<h3>Method</h3><dl class="facts">)");
    page.add("<dt>Margin</dt><dd>±{:g} %</dd><dt>Confidence</dt><dd>{:g} %</dd>",
             document.method.margin * 100, document.method.confidence * 100);
    page.add("<dt>Interval</dt><dd>{}</dd><dt>Decision</dt><dd>{}</dd></dl>",
             escape_html(document.method.interval), escape_html(document.method.decision));
    page.add("<h3>Command to repeat</h3><pre>{}</pre>",
             escape_html(shell_command(document.header.command)));
    std::vector<std::string> metrics;
    if (!document.scenarios.empty()) {
        for (const auto& metric : document.scenarios.front().metrics)
            metrics.push_back(metric.compared.name);
    }
    write_meanings(page, metrics);
    page.add("</section>");
}

}  // namespace

std::string render_page(const ObservationDocument& document) {
    Page page;
    write_head(page, "observation", headline(document), {"not_proven", "OBSERVATIONAL"},
               document.header);
    write_sides(page, {{"a", "Baseline", document.baseline.path},
                       {"b", "Candidate", document.candidate.path}});
    write_alerts(page, document.header, failed_checks(document));
    page.add(R"(<section class="reasons"><h2>What it says</h2><ul>)");
    for (const auto& reason : document.reasons) page.add("<li>{}</li>", escape_html(reason));
    page.add("</ul></section><section>");
    write_checks(page, document.checks);
    page.add("</section>");
    for (const auto& scenario : document.scenarios)
        write_scenario(page, scenario, document.method.margin);
    write_method(page, document);
    write_foot(page, document.header);
    return page.take();
}

}  // namespace crucible::lab::report
