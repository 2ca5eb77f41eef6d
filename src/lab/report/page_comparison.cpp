#include "lab/report/page_comparison.h"

#include <fmt/ranges.h>

#include <array>
#include <span>
#include <tuple>

#include "lab/report/charts.h"
#include "lab/report/page.h"
#include "lab/report/typography.h"

namespace crucible::lab::report {
namespace {

/// A sign for those who do not see the colour.
std::string_view verdict_sign(std::string_view verdict) {
    if (verdict == "better") return "\u2713";
    if (verdict == "worse") return "\u2717";
    if (verdict == "equivalent") return "=";
    if (verdict == "changed_within_margin") return "\u2248";
    return "?";
}

std::string verdict_chip(const ComparedMetric& metric) {
    return fmt::format(R"(<span class="chip {}">{} {}</span>)", escape_html(metric.verdict),
                       verdict_sign(metric.verdict), escape_html(verdict_word(metric.verdict)));
}

std::string interval_of(const ComparedMetric& metric) {
    std::string interval;
    if (metric.ratio) interval = format_ratio_interval(*metric.ratio);
    if (!metric.ratio && metric.difference && !is_nothing(*metric.difference))
        interval = format_difference_interval(metric, *metric.difference);
    return interval.empty() ? interval : escape_html(typeset("[" + interval + "]"));
}

/// The value with its own interval as a tooltip.
void write_value(Page& page, const ComparedMetric& metric,
                 const std::optional<Estimate>& estimate) {
    if (!estimate || !estimate->has_interval()) {
        page.add(R"(<td class="num">{}</td>)", value_of(metric, estimate));
        return;
    }
    page.add(R"(<td class="num" title="95 % interval {} to {}">{}</td>)",
             escape_html(typeset(format_value(metric.name, metric.unit, *estimate->low))),
             escape_html(typeset(format_value(metric.name, metric.unit, *estimate->high))),
             value_of(metric, estimate));
}

void write_cards(Page& page, const ComparedScenario& scenario) {
    page.add(R"(<div class="cards">)");
    for (const auto& metric : scenario.metrics) {
        if (!metric.gated) continue;
        page.add(R"(<div class="card {}"><span class="name">{}</span><span class="big">{}</span>)",
                 escape_html(metric.verdict), escape_html(metric_label(metric.name)),
                 change_of(metric));
        page.add(R"(<span class="from">{} → {}</span>{}</div>)", value_of(metric, metric.baseline),
                 value_of(metric, metric.candidate), verdict_chip(metric));
    }
    page.add("</div>");
}

void write_metric(Page& page, const ComparedMetric& metric) {
    page.add(R"(<tr><th scope="row" title="{}">{}</th>)", escape_html(metric_meaning(metric.name)),
             escape_html(metric_label(metric.name)));
    write_value(page, metric, metric.baseline);
    write_value(page, metric, metric.candidate);
    page.add(R"(<td class="num">{}</td><td class="range">{}</td>)", change_of(metric),
             interval_of(metric));
    page.add(R"(<td class="num range">{}</td><td>{}</td><td class="note">{}{}</td></tr>)",
             metric.ratio && metric.control
                 ? typeset(format_percent_change(*metric.control->value) + " %")
                 : std::string(kNoValue),
             verdict_chip(metric), escape_html(metric.reason),
             metric.rounds_needed ? fmt::format(" (about {} rounds needed)", *metric.rounds_needed)
                                  : std::string());
}

void write_metrics(Page& page, const ComparedScenario& scenario) {
    page.begin_frame("Metrics of " + scenario.name);
    page.add("<table><caption>All metrics</caption><thead><tr>");
    page.add(R"(<th scope="col">Metric</th><th scope="col" class="num">Baseline</th>)");
    page.add(
        R"(<th scope="col" class="num">Candidate</th><th scope="col" class="num">Change</th>)");
    page.add(R"(<th scope="col">95 % interval</th><th scope="col" class="num">A/A noise</th>)");
    page.add(R"(<th scope="col">Verdict</th><th scope="col">Because</th></tr></thead>)");
    for (const bool gated : {true, false}) {
        page.add(R"(<tbody class="{}"><tr><td class="group" colspan="8">{}</td></tr>)",
                 gated ? "gated" : "rest", gated ? "These decide" : "Also measured");
        for (const auto& metric : scenario.metrics)
            if (metric.gated == gated) write_metric(page, metric);
        page.add("</tbody>");
    }
    page.add("</table>");
    page.end_frame();
    page.add(
        R"(<p class="sub">A/A noise is the change of a second copy of the baseline against )"
        R"(the first: )"
        R"(nothing but the machine. CPU, memory and context switches are net of the harness.</p>)");
}

void write_expectations(Page& page, const std::vector<ExpectationRow>& expectations) {
    if (expectations.empty()) return;
    page.begin_frame("Predictions");
    page.add("<table><caption>What was predicted of the candidate against the baseline</caption>");
    page.add("<thead><tr>");
    for (const auto column : kExpectationColumns) page.add(R"(<th scope="col">{}</th>)", column);
    page.add("</tr></thead><tbody>");
    for (const auto& expectation : expectations) {
        const auto cells = expectation_cells(expectation);
        page.add(
            R"(<tr><th scope="row">{}</th><td>{}</td><td>{}</td><td class="note">{}</td></tr>)",
            escape_html(cells[0]), escape_html(typeset(cells[1])), escape_html(cells[2]),
            escape_html(typeset(cells[3])));
    }
    page.add("</tbody></table>");
    page.end_frame();
}

void write_charts(Page& page, const ComparedScenario& scenario, double margin) {
    const std::array<LatencyCurve, 2> curves{{{"a", "baseline", scenario.baseline_latency},
                                              {"b", "candidate", scenario.candidate_latency}}};
    page.add(R"(<div class="charts">)");
    const auto latency = latency_chart(curves);
    write_figure(page, latency,
                 "Latency by percentile, both axes logarithmic, pooled over the compared rounds. "
                 "Marks at 50, 90, 99 … %; lower is better.");
    if (latency.empty()) {
        page.add(R"(<figure><figcaption>No latency curve: there is no round in which both kept up )"
                 R"(and had enough samples.</figcaption></figure>)");
    }
    write_figure(page, forest_chart(scenario.metrics, margin),
                 "Change with its 95 % interval; dashed: the second copy of the baseline against "
                 "the first. Shaded: the margin within which nothing matters. ◂ lower is better, ▸ "
                 "higher is better. Filled diamond: better or worse.");
    page.add("</div>");
}

/// Rates and latencies of both over the time of each phase.
void write_course(Page& page, const ComparedScenario& scenario) {
    if (scenario.baseline_series.empty() || scenario.candidate_series.empty()) return;
    const auto lines = [&scenario](std::string_view phase, std::string_view name, bool per_second) {
        std::vector<TimeLine> both;
        for (const auto& [mark, arm, all] :
             {std::tuple("a", "baseline", &scenario.baseline_series),
              std::tuple("b", "candidate", &scenario.candidate_series)}) {
            if (const auto* series = find_series(*all, phase, name))
                both.push_back({mark, arm, *series, per_second ? 1 / series->interval : 1});
        }
        return both;
    };
    page.add(R"(<div class="charts">)");
    for (const auto& phase : scenario.load.phases) {
        page.add("<div>");
        write_figure(page,
                     time_chart({fmt::format("Events handled: {}", phase.name), "events/s"},
                                lines(phase.name, "handled", true)),
                     "Every 100 ms, in the first round that is compared.");
        page.add("</div><div>");
        write_figure(page,
                     time_chart({fmt::format("Mean latency: {}", phase.name), "s", true},
                                lines(phase.name, "latency_mean", false)),
                     "Every 100 ms, by when events ended, in the same round.");
        page.add("</div>");
    }
    page.add("</div>");
    write_segments(page, kComparedSegments, compared_segments(scenario));
}

void write_round_charts(Page& page, const ComparedScenario& scenario) {
    if (scenario.round_details.empty()) return;
    page.add(R"(<figure><div class="small">)");
    for (const auto& metric : scenario.metrics) {
        if (!metric.gated) continue;
        const auto chart = round_chart(metric, scenario.round_details);
        if (!chart.empty()) page.add("<div>{}</div>", chart);
    }
    page.add(R"(</div><figcaption>Each round:<span class="key a"></span>baseline)"
             R"(<span class="key h"></span>its second copy<span class="key b"></span>candidate. )"
             R"(Invalid rounds are shaded and not compared.</figcaption></figure>)");
}

void write_scenario(Page& page, const ComparedScenario& scenario, double margin) {
    page.add(R"(<section><h2>{}</h2>)", escape_html(scenario.name));
    if (!scenario.description.empty()) page.add("<p>{}</p>", escape_html(scenario.description));
    write_load(page, scenario.load);
    page.add(R"(<p class="sub">{}</p>)", rounds_sentence(scenario));
    write_cards(page, scenario);
    write_charts(page, scenario, margin);
    write_metrics(page, scenario);
    write_expectations(page, scenario.expectations);
    page.add("<h3>Over time</h3>");
    write_course(page, scenario);
    page.add("<h3>Round by round</h3>");
    write_round_charts(page, scenario);
    page.add("<h3>Accounts</h3>");
    write_ledger(page, {{"Baseline", &scenario.baseline_delivery},
                        {"Candidate", &scenario.candidate_delivery}});
    page.add(R"(<div class="charts">)");
    page.add("<div>");
    write_checks(page, scenario.checks);
    page.add("</div><div>");
    write_harness(page, scenario.harness);
    page.add("</div></div></section>");
}

void write_order(Page& page, const ComparedScenario& scenario) {
    page.add("<details><summary>Order of the {} rounds of {}</summary>",
             scenario.round_details.size(), escape_html(scenario.name));
    page.begin_frame("Rounds of " + scenario.name);
    page.add(R"(<table><thead><tr><th scope="col">Round</th><th scope="col">Order</th>)"
             R"(<th scope="col">Valid</th><th scope="col">Notes</th></tr></thead><tbody>)");
    for (const auto& round : scenario.round_details) {
        page.add(R"(<tr><th scope="row">{}</th><td>{}</td><td>{}</td>)"
                 R"(<td class="note">{}</td></tr>)",
                 round.number, escape_html(fmt::format("{}", fmt::join(round.order, ", "))),
                 round.valid ? "yes" : R"(<span class="bad">no</span>)",
                 escape_html(fmt::format("{}", fmt::join(round.notes, "; "))));
    }
    page.add("</tbody></table>");
    page.end_frame();
    page.add("</details>");
}

void write_method(Page& page, const ComparisonDocument& document) {
    page.add("<section><h2>How this was measured</h2>");
    page.add(
        "<p>Both systems ran for real, in separate processes. A round runs four arms once "
        "each, in random order and with the same stream of events: the baseline, a second "
        "copy of the baseline, the candidate, and the harness alone. Each arm starts from "
        "nothing. In the open loop an event is due at a planned time and latency counts from "
        "then, whether or not it could be sent in time. The unit of comparison is the "
        "round.</p>");
    page.add(
        R"(<dl class="facts"><dt>Margin</dt><dd>±{:g} %</dd><dt>Confidence</dt><dd>{:g} %</dd>)",
        document.method.margin * 100, document.method.confidence * 100);
    page.add("<dt>Interval</dt><dd>{}</dd><dt>Decision</dt><dd>{}</dd></dl>",
             escape_html(document.method.interval), escape_html(document.method.decision));
    write_origin(page, document.header);
    for (const auto& scenario : document.scenarios) write_order(page, scenario);
    std::vector<std::string> metrics;
    if (!document.scenarios.empty()) {
        for (const auto& metric : document.scenarios.front().metrics)
            metrics.push_back(metric.name);
    }
    write_meanings(page, metrics);
    page.add("</section>");
}

void write_recommendations(Page& page, const std::vector<std::string>& recommendations) {
    if (recommendations.empty()) return;
    page.add(R"(<section class="reasons"><h2>Recommended</h2><ul>)");
    for (const auto& text : recommendations) page.add("<li>{}</li>", escape_html(typeset(text)));
    page.add("</ul></section>");
}

void write_risks(Page& page, const std::vector<RiskRow>& risks) {
    if (risks.empty()) return;
    page.add("<section><h2>Risks of moving</h2>");
    page.begin_frame("Risks of moving");
    page.add("<table><thead><tr>");
    for (const auto column : kRiskColumns) page.add(R"(<th scope="col">{}</th>)", column);
    page.add("</tr></thead><tbody>");
    for (const auto& risk : risks) {
        const auto cells = risk_cells(risk);
        page.add(R"(<tr><th scope="row">{}</th>)", escape_html(cells.front()));
        for (const auto& cell : std::span(cells).subspan(1)) {
            page.add(R"(<td class="note">{}</td>)", escape_html(typeset(cell)));
        }
        page.add("</tr>");
    }
    page.add("</tbody></table>");
    page.end_frame();
    page.add("</section>");
}

void write_criteria(Page& page, const std::vector<CriterionRow>& criteria) {
    if (criteria.empty()) return;
    page.add("<section><h2>Criteria of the migration</h2>");
    page.begin_frame("Criteria of the migration");
    page.add(R"(<table><thead><tr><th scope="col">Criterion</th><th scope="col">Outcome</th>)");
    page.add(R"(<th scope="col">Evidence</th></tr></thead><tbody>)");
    for (const auto& criterion : criteria) {
        page.add(R"(<tr><th scope="row">{}</th><td>{}</td><td class="note">{}</td></tr>)",
                 escape_html(criterion_label(criterion.name)),
                 escape_html(outcome_word(criterion.outcome)),
                 escape_html(typeset(criterion.evidence)));
    }
    page.add("</tbody></table>");
    page.end_frame();
    page.add("</section>");
}

}  // namespace

std::string render_page(const ComparisonDocument& document) {
    Page page;
    write_head(page, "comparison", headline(document), {document.verdict, verdict_badge(document)},
               document.header);
    write_sides(page,
                {{"a", "Baseline", document.baseline}, {"b", "Candidate", document.candidate}});
    const auto failed = failed_checks(document);
    write_alerts(page, document.header, failed);
    page.add(R"(<section class="reasons"><h2>Why</h2><ul>)");
    for (const auto& reason : document.reasons) page.add("<li>{}</li>", escape_html(reason));
    page.add("</ul>");
    if (failed.empty() && !document.scenarios.empty())
        page.add(R"(<p class="ok">✓ All checks of the measurement passed.</p>)");
    page.add("</section>");
    write_recommendations(page, document.recommendations);
    for (const auto& scenario : document.scenarios)
        write_scenario(page, scenario, document.method.margin);
    write_risks(page, document.risks);
    write_criteria(page, document.criteria);
    write_method(page, document);
    write_foot(page, document.header);
    return page.take();
}

}  // namespace crucible::lab::report
