#include "lab/report/page_run.h"

#include <algorithm>
#include <array>

#include "lab/report/charts.h"
#include "lab/report/page.h"
#include "lab/report/typography.h"

namespace crucible::lab::report {
namespace {

std::string value_of(const RunMetric& metric) {
    return escape_html(typeset(format_value(metric.name, metric.unit, metric.estimate)));
}

std::string interval_of(const RunMetric& metric) {
    if (!metric.estimate.has_interval()) return {};
    return escape_html(typeset(
        fmt::format("{} to {}", format_value(metric.name, metric.unit, *metric.estimate.low),
                    format_value(metric.name, metric.unit, *metric.estimate.high))));
}

void write_cards(Page& page, const RunScenario& scenario) {
    constexpr std::array<std::string_view, 6> kShown{"throughput",    "latency_p50", "latency_p99",
                                                     "cpu_per_event", "memory_peak", "error_rate"};
    page.add(R"(<div class="cards">)");
    for (const auto name : kShown) {
        const auto metric = std::ranges::find(scenario.metrics, name, &RunMetric::name);
        if (metric == scenario.metrics.end()) continue;
        page.add(R"(<div class="card"><span class="name">{}</span><span class="big">{}</span>)",
                 escape_html(metric_label(name)), value_of(*metric));
        page.add(R"(<span class="from">{}</span></div>)",
                 metric->estimate.value ? interval_of(*metric) : escape_html(metric->absent));
    }
    page.add("</div>");
}

void write_metrics(Page& page, const RunScenario& scenario) {
    page.begin_frame("Metrics of " + scenario.name);
    page.add("<table><caption>All metrics</caption><thead><tr>");
    page.add(R"(<th scope="col">Metric</th><th scope="col" class="num">Value</th>)");
    page.add(R"(<th scope="col">95 % interval</th><th scope="col" class="num">Samples</th>)");
    page.add(R"(<th scope="col">Phase</th><th scope="col">Note</th></tr></thead><tbody>)");
    for (const auto& metric : scenario.metrics) {
        page.add(R"(<tr><th scope="row" title="{}">{}</th><td class="num">{}</td>)",
                 escape_html(metric_meaning(metric.name)), escape_html(metric_label(metric.name)),
                 value_of(metric));
        page.add(R"(<td class="range">{}</td><td class="num">{}</td><td>{}</td>)"
                 R"(<td class="note">{}</td></tr>)",
                 interval_of(metric), format_integer(metric.n),
                 metric.phase.empty() ? "all" : escape_html(metric.phase),
                 escape_html(metric.absent.empty() && metric.interval == "across_trials"
                                 ? std::string("over the trials")
                                 : metric.absent));
    }
    page.add("</tbody></table>");
    page.end_frame();
}

/// The lines of `names` that the result has.
struct Line {
    std::string_view mark;
    std::string_view name;
    std::string_view series;
};
std::vector<TimeLine> lines_of(const RunScenario& scenario, std::string_view phase,
                               std::span<const Line> wanted, bool per_second) {
    std::vector<TimeLine> lines;
    for (const auto& line : wanted) {
        if (const auto* series = find_series(scenario.series, phase, line.series))
            lines.push_back({line.mark, line.name, *series, per_second ? 1 / series->interval : 1});
    }
    return lines;
}

/// Rates and latencies over the time of each phase.
void write_course(Page& page, const RunScenario& scenario) {
    constexpr std::array<Line, 2> kRates{{{"a", "sent", "sent"}, {"b", "handled", "handled"}}};
    constexpr std::array<Line, 3> kLatencies{{{"a", "p50 per second", "latency_p50"},
                                              {"b", "p99 per second", "latency_p99"},
                                              {"c", "max per 100 ms", "latency_max"}}};
    page.add(R"(<div class="charts">)");
    for (const auto& phase : scenario.load.phases) {
        page.add("<div>");
        write_figure(page,
                     time_chart({fmt::format("Rate: {}", phase.name), "events/s"},
                                lines_of(scenario, phase.name, kRates, true)),
                     "Events sent and handled, every 100 ms.");
        page.add("</div><div>");
        write_figure(page,
                     time_chart({fmt::format("Latency over time: {}", phase.name), "s", true},
                                lines_of(scenario, phase.name, kLatencies, false)),
                     "By when events ended. The first of several trials.");
        page.add("</div>");
    }
    page.add("</div>");
    write_segments(page, "Stretches of the pattern, by when events were due", scenario.segments);
}

void write_charts(Page& page, const RunScenario& scenario) {
    page.add(R"(<div class="charts">)");
    const std::array<LatencyCurve, 1> curves{{{"a", "latency", scenario.latency}}};
    const auto latency = latency_chart(curves);
    if (latency.empty()) {
        page.add(R"(<figure><figcaption>No latency curve: {}.</figcaption></figure>)",
                 is_saturated(scenario) ? "the target was saturated, and latencies of a growing "
                                          "backlog only show how long the run was"
                                        : "too few events were completed");
    }
    write_figure(page, latency,
                 "Latency by percentile, both axes logarithmic. Marks at 50, 90, 99 … %.");
    page.add("<div>");
    for (const auto& series : scenario.series) {
        if (series.name != "backlog") continue;
        const std::array<TimeLine, 1> line{{{"a", series.name, series}}};
        write_figure(
            page, time_chart({fmt::format("Events in flight: {}", series.phase), "events"}, line),
            "Due or sent, and not yet completed. Growing to the end means saturated.");
    }
    page.add("</div></div>");
    write_course(page, scenario);
}

void write_scenario(Page& page, const RunScenario& scenario) {
    page.add(R"(<section><h2>{}</h2>)", escape_html(scenario.name));
    if (!scenario.description.empty()) page.add("<p>{}</p>", escape_html(scenario.description));
    write_load(page, scenario.load);
    if (scenario.trials > 1) page.add(R"(<p class="sub">{} trials</p>)", scenario.trials);
    write_cards(page, scenario);
    write_charts(page, scenario);
    write_metrics(page, scenario);
    page.add("<h3>Accounts</h3>");
    write_ledger(page, {{"Target", &scenario.delivery}});
    page.add(R"(<div class="charts"><div>)");
    write_checks(page, scenario.checks);
    page.add("</div><div>");
    write_harness(page, scenario.harness);
    page.add("</div></div></section>");
}

std::pair<std::string, std::string> badge_of(const RunDocument& document) {
    if (!document.header.failure.empty()) return {"failed", "FAILED"};
    if (document.header.interrupted) return {"open", "INTERRUPTED"};
    for (const auto& scenario : document.scenarios)
        if (is_saturated(scenario)) return {"failed", "SATURATED"};
    return {"done", "MEASURED"};
}

}  // namespace

std::string render_page(const RunDocument& document) {
    Page page;
    write_head(page, "run", headline(document), badge_of(document), document.header);
    write_sides(page, {{"a", "Target", document.target}});
    write_alerts(page, document.header, failed_checks(document));
    for (const auto& scenario : document.scenarios) write_scenario(page, scenario);
    page.add("<section><h2>How this was measured</h2>");
    page.add(
        "<p>The target ran for real, driven by separate client processes. In the open loop an "
        "event is due at a planned time and latency counts from then, whether or not it could "
        "be sent in time. CPU, memory and context switches are those of the target: what the "
        "harness alone takes under the same load was measured by itself and subtracted.</p>");
    write_origin(page, document.header);
    std::vector<std::string> metrics;
    if (!document.scenarios.empty()) {
        for (const auto& metric : document.scenarios.front().metrics)
            metrics.push_back(metric.name);
    }
    write_meanings(page, metrics);
    page.add("</section>");
    write_foot(page, document.header);
    return page.take();
}

}  // namespace crucible::lab::report
