#include <fmt/format.h>

#include <algorithm>

#include "lab/report/terminal_parts.h"

namespace crucible::lab::report {
namespace {

/// Change and interval; a difference takes the place of both.
constexpr std::size_t kFinding = 28;

void write_side(TerminalText& text, std::string_view role, const Input& input) {
    text.item(role, input.path);
    for (const auto& [name, value] : input_lines(input)) {
        if (name == "File" && value == input.path) continue;
        if (name == "Kind" || name == "File" || name == "Target" || name == "Measured")
            text.item(std::string(columns(role), ' '), fmt::format("{}: {}", name, value), 2,
                      Ink::dim);
    }
}

std::string finding(const TerminalText& text, const ComparedMetric& metric) {
    if (metric.ratio) {
        return text.cell(format_percent_change(*metric.ratio->value), kChange, true) + " " +
               text.cell(bracketed(format_ratio_interval(*metric.ratio)), kFinding - kChange - 1);
    }
    const auto difference = format_whole_difference(metric);
    const bool alone = !metric.difference || is_nothing(*metric.difference);
    return alone ? text.cell(text.cell(difference, kChange, true), kFinding)
                 : text.cell("  " + difference, kFinding);
}

void write_metric(TerminalText& text, const ObservedMetric& metric) {
    const auto& compared = metric.compared;
    std::string line = " " + text.cell(metric_label(compared.name), kLabel);
    line +=
        text.cell(format_value(compared.name, compared.unit, compared.baseline), kBaseline, true);
    line +=
        text.cell(format_value(compared.name, compared.unit, compared.candidate), kCandidate, true);
    line += finding(text, compared) + " ";
    text.line(line + text.cell(looks_cell(compared.verdict), 1, false, ink_of(compared.verdict)));
    if (const auto evidence = evidence_sentence(metric); !evidence.empty())
        text.paragraph(evidence, 3, Ink::dim);
}

void write_metrics(TerminalText& text, std::string_view title,
                   const std::vector<const ObservedMetric*>& metrics) {
    if (metrics.empty()) return;
    std::string line = " " + text.cell(title, kLabel);
    line += text.cell("baseline", kBaseline, true) + text.cell("candidate", kCandidate, true);
    line += text.cell(text.cell("change", kChange, true) + " % [95 %]", kFinding);
    text.blank();
    text.line(line + " looks", Ink::dim);
    AbsentValues open;
    for (const auto* metric : metrics) {
        write_metric(text, *metric);
        if (metric->compared.verdict == "inconclusive")
            open.add(metric->compared.name, metric->compared.reason);
    }
    for (const auto& [names, reason] : open.notes())
        text.item("open:", fmt::format("{}: {}", names, reason), 1, Ink::dim);
}

void write_scenario(TerminalText& text, const ObservedScenario& scenario) {
    if (scenario.load) {
        write_load(text, scenario.name, scenario.description, *scenario.load);
    } else {
        text.blank();
        text.paragraph(scenario.name, 0, Ink::bold);
    }
    text.paragraph(repetitions_sentence(scenario), 2, Ink::dim);
    std::vector<const ObservedMetric*> gated;
    std::vector<const ObservedMetric*> others;
    for (const auto& metric : scenario.metrics)
        (metric.compared.gated ? gated : others).push_back(&metric);
    write_metrics(text, others.empty() ? "metric" : "gate family", gated);
    write_metrics(text, "also measured", others);
    if (!scenario.baseline_delivery || !scenario.candidate_delivery) return;
    write_ledger_header(text);
    write_ledger_row(text, " baseline", *scenario.baseline_delivery);
    write_ledger_row(text, " candidate", *scenario.candidate_delivery);
}

}  // namespace

std::string render_observation(const ObservationDocument& document, std::size_t width,
                               bool colour) {
    TerminalText text(width, colour);
    text.paragraph(headline(document), 0, Ink::warn);
    text.blank();
    write_side(text, "baseline ", document.baseline);
    write_side(text, "candidate", document.candidate);
    text.blank();
    for (const auto& reason : document.reasons) text.item("-", reason);
    write_failed_checks(text, failed_checks(document));
    for (const auto& scenario : document.scenarios) write_scenario(text, scenario);
    text.blank();
    text.paragraph(
        fmt::format("p: of \"no difference\" for this metric alone, rank-sum and Welch. Cliff's "
                    "delta: how much more often the candidate's value is the larger one, from -1 "
                    "to +1. crucible {} ({}), compared {}",
                    document.header.version, document.header.commit, document.header.started),
        0, Ink::dim);
    return text.take();
}

}  // namespace crucible::lab::report
