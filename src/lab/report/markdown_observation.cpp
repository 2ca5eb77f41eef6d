#include "lab/report/markdown_parts.h"

namespace crucible::lab::report {
namespace {

std::string ratio_cell(const ComparedMetric& metric) {
    if (!metric.ratio) return std::string(kNoValue);
    const auto interval = format_ratio_interval(*metric.ratio);
    const auto change = format_percent_change(*metric.ratio->value) + " %";
    return interval.empty() ? change : fmt::format("{} ({})", change, interval);
}

void write_metrics(Markdown& text, const ObservedScenario& scenario) {
    text.row({"Metric", "Baseline", "Candidate", "Change (95 % interval)", "Difference",
              "p by ranks", "p by means", "Cliff's delta", "Looks", "Because"});
    text.row({"---", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---", "---"});
    for (const bool gated : {true, false}) {
        for (const auto& metric : scenario.metrics) {
            const auto& compared = metric.compared;
            if (compared.gated != gated) continue;
            const auto label = plain(metric_label(compared.name));
            text.row({gated ? fmt::format("**{}**", label) : label,
                      format_value(compared.name, compared.unit, compared.baseline),
                      format_value(compared.name, compared.unit, compared.candidate),
                      ratio_cell(compared), plain(format_whole_difference(compared)),
                      plain(format_p_value(metric.p_rank_sum)),
                      plain(format_p_value(metric.p_welch)),
                      plain(format_delta(metric.cliffs_delta)), plain(looks_cell(compared.verdict)),
                      plain(compared.reason)});
        }
    }
    text.blank();
}

void write_scenario(Markdown& text, const ObservedScenario& scenario) {
    if (scenario.load) {
        write_load(text, scenario.name, scenario.description, *scenario.load);
    } else {
        text.line("## {}", plain(scenario.name));
        text.blank();
    }
    text.line("- {}", repetitions_sentence(scenario));
    text.blank();
    write_metrics(text, scenario);
    if (!scenario.baseline_delivery || !scenario.candidate_delivery) return;
    write_ledger(text, {{"Baseline", &*scenario.baseline_delivery},
                        {"Candidate", &*scenario.candidate_delivery}});
}

void write_input(Markdown& text, std::string_view role, const Input& input) {
    text.line("- {}:", role);
    for (const auto& [name, value] : input_lines(input))
        text.line("  - {}: {}", name, plain(value));
}

}  // namespace

std::string render_observation(const ObservationDocument& document) {
    Markdown text;
    text.line("# {}", plain(headline(document)));
    text.blank();
    text.row({"", "Result"});
    text.row({"---", "---"});
    text.row({"Baseline", code(document.baseline.path)});
    text.row({"Candidate", code(document.candidate.path)});
    text.blank();
    write_alerts(text, document.header, failed_checks(document));
    for (const auto& reason : document.reasons) text.line("- {}", plain(reason));
    text.blank();
    write_checks(text, document.checks);
    for (const auto& scenario : document.scenarios) write_scenario(text, scenario);
    text.line("## What was compared");
    text.blank();
    text.line("```sh");
    text.line("{}", shell_command(document.header.command));
    text.line("```");
    text.blank();
    write_input(text, "Baseline", document.baseline);
    write_input(text, "Candidate", document.candidate);
    text.line("- crucible {} ({}), compared {}", plain(document.header.version),
              plain(document.header.commit), plain(document.header.started));
    text.line("- Margin: ±{:g} %; confidence {:g} %", document.method.margin * 100,
              document.method.confidence * 100);
    text.line("- Interval: {}", plain(document.method.interval));
    text.line("- Decision: {}", plain(document.method.decision));
    return text.take();
}

}  // namespace crucible::lab::report
