#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "lab/report/document.h"
#include "lab/report/report.h"
#include "lab/report/terminal_parts.h"
#include "lab/report/terminal_text.h"
#include "lab/report/wording.h"

namespace crucible::lab::report {
namespace {

constexpr std::size_t kWidthMin = 80;
/// Beyond it lines are hard to follow.
constexpr std::size_t kWidthMax = 120;

void write_harness(TerminalText& text, const std::vector<HarnessCost>& harness) {
    if (harness.empty()) return;
    std::vector<std::string> figures;
    for (const auto& cost : telling_costs(harness)) {
        figures.push_back(fmt::format("{} {}", metric_label(cost.name),
                                      format_value(cost.name, cost.unit, cost.value)));
    }
    text.blank();
    text.item("harness alone (null:):", fmt::format("{}", fmt::join(figures, ", ")), 1, Ink::dim);
}

void write_absent(TerminalText& text, const AbsentValues& absent) {
    for (const auto& [metrics, reason] : absent.notes())
        text.item(kNoValue, fmt::format("{}: {}", metrics, reason), 1, Ink::dim);
}

// A comparison.

constexpr std::size_t kNoise = 6;

/// Change, interval and noise, in their columns. A difference carries its unit and has no noise
/// beside it: it takes the place of all three.
std::string change_cells(const TerminalText& text, const ComparedMetric& metric) {
    constexpr std::size_t kAll = kChange + 1 + kInterval + kNoise;
    if (metric.ratio) {
        return text.cell(format_percent_change(*metric.ratio->value), kChange, true) + " " +
               text.cell(bracketed(format_ratio_interval(*metric.ratio)), kInterval) +
               text.cell(metric.control ? format_percent_change(*metric.control->value)
                                        : std::string(kNoValue),
                         kNoise, true);
    }
    const auto alone = [&text](std::string_view word) {
        return text.cell(word, kChange, true) + std::string(kAll - kChange, ' ');
    };
    if (!metric.difference) return alone(kNoValue);
    const auto& difference = *metric.difference;
    if (is_nothing(difference)) return alone("none");
    return text.cell("  " + format_difference(metric, *difference.value) + " " +
                         bracketed(format_difference_interval(metric, difference)),
                     kAll);
}

void write_metric(TerminalText& text, const ComparedMetric& metric) {
    std::string line = " " + text.cell(metric_label(metric.name), kLabel);
    line += text.cell(format_value(metric.name, metric.unit, metric.baseline), kBaseline, true);
    line += text.cell(format_value(metric.name, metric.unit, metric.candidate), kCandidate, true);
    line += change_cells(text, metric) + " ";
    text.line(line + text.cell(verdict_word(metric.verdict), 1, false, ink_of(metric.verdict)));
}

void write_invalid_rounds(TerminalText& text, const ComparedScenario& scenario) {
    for (const auto& round : scenario.round_details) {
        if (round.valid) continue;
        text.item(fmt::format("invalid round {}:", round.number),
                  fmt::format("{}", fmt::join(round.notes, "; ")), 2, Ink::warn);
    }
}

void write_segments(TerminalText& text, const std::vector<SegmentRow>& segments,
                    std::string_view title = {}) {
    if (segments.empty()) return;
    text.blank();
    if (!title.empty()) text.paragraph(title, 1, Ink::dim);
    const auto row = [&text](const auto& cells) {
        constexpr std::array<std::size_t, 8> kWidths{14, 9, 9, 9, 9, 9, 9, 9};
        std::string line = " ";
        for (std::size_t i = 0; i < cells.size(); ++i)
            line += text.cell(cells[i], kWidths[i], i > 0);
        return line;
    };
    text.line(row(kSegmentColumns), Ink::dim);
    for (const auto& segment : segments) text.line(row(segment_cells(segment)));
}

void write_expectations(TerminalText& text, const std::vector<ExpectationRow>& expectations) {
    if (expectations.empty()) return;
    text.blank();
    const auto row = [&text](const auto& cells) {
        std::string line = " " + text.cell(std::string(cells[0]), 16);
        line += text.cell(std::string(cells[1]), 15) + " ";
        line += text.cell(std::string(cells[2]), 11);
        return line + std::string(cells[3]);
    };
    text.line(row(kExpectationColumns), Ink::dim);
    for (const auto& expectation : expectations) text.line(row(expectation_cells(expectation)));
}

void write_scenario(TerminalText& text, const ComparedScenario& scenario) {
    write_load(text, scenario.name, scenario.description, scenario.load);
    text.paragraph(rounds_sentence(scenario), 2, Ink::dim);
    write_invalid_rounds(text, scenario);
    write_compared(text, scenario.metrics, true);
    write_compared(text, scenario.metrics, false);
    write_expectations(text, scenario.expectations);
    write_segments(text, compared_segments(scenario), kComparedSegments);
    write_ledger_header(text);
    write_ledger_row(text, " baseline", scenario.baseline_delivery);
    write_ledger_row(text, " candidate", scenario.candidate_delivery);
    write_harness(text, scenario.harness);
}

Ink ink_of_outcome(std::string_view outcome) {
    if (outcome == "met") return Ink::good;
    if (outcome == "not_met") return Ink::bad;
    return Ink::plain;
}

void write_assessment(TerminalText& text, const ComparisonDocument& document) {
    if (!document.recommendations.empty()) {
        text.blank();
        text.line("recommended", Ink::bold);
        for (const auto& recommendation : document.recommendations) {
            text.item("-", recommendation, 2);
        }
    }
    if (!document.risks.empty()) {
        text.blank();
        text.line("risks of moving (likelihood, impact)", Ink::bold);
        for (const auto& risk : document.risks) {
            text.item("-",
                      fmt::format("{} ({}, {}): {}; {}; roll back when {}",
                                  risk_cells(risk).front(), risk.likelihood, risk.impact,
                                  risk.evidence, risk.mitigation, risk.rollback),
                      2);
        }
    }
    if (document.criteria.empty()) return;
    text.blank();
    text.line("criteria of the migration", Ink::bold);
    for (const auto& criterion : document.criteria) {
        text.item(text.cell(outcome_word(criterion.outcome), 12),
                  fmt::format("{}: {}", criterion_label(criterion.name), criterion.evidence), 2,
                  ink_of_outcome(criterion.outcome));
    }
}

std::string render(const ComparisonDocument& document, std::size_t width, bool colour) {
    TerminalText text(width, colour);
    const Ink ink = ink_of(document.verdict);
    text.paragraph(headline(document), 0, ink == Ink::plain ? Ink::bold : ink);
    text.blank();
    text.item("baseline ", document.baseline);
    text.item("candidate", document.candidate);
    text.blank();
    for (const auto& reason : document.reasons) text.item("-", reason);
    write_failed_checks(text, failed_checks(document));
    for (const auto& scenario : document.scenarios) write_scenario(text, scenario);
    write_assessment(text, document);
    if (!document.scenarios.empty()) {
        text.blank();
        text.paragraph(
            "noise: change of a second copy of the baseline against the first, in percent. CPU, "
            "memory and context switches are net of the harness.",
            0, Ink::dim);
    }
    write_closing(text, document.header);
    return text.take();
}

// A run.

std::string interval_text(const RunMetric& metric) {
    if (!metric.estimate.has_interval()) return {};
    return fmt::format("{} to {}", format_value(metric.name, metric.unit, *metric.estimate.low),
                       format_value(metric.name, metric.unit, *metric.estimate.high));
}

void write_run_metrics(TerminalText& text, const RunScenario& scenario) {
    std::string header = " " + text.cell("metric", 17) + text.cell("value", 12, true) + "  ";
    header += text.cell("95 % interval", 24) + text.cell("samples", 10, true) + "  phase";
    text.blank();
    text.line(header, Ink::dim);
    AbsentValues absent;
    for (const auto& metric : scenario.metrics) {
        const bool known = metric.estimate.value.has_value();
        std::string line = " " + text.cell(metric_label(metric.name), 17);
        line += text.cell(format_value(metric.name, metric.unit, metric.estimate), 12, true) + "  ";
        line += text.cell(interval_text(metric), 24);
        line += text.cell(known ? format_integer(metric.n) : "", 10, true);
        text.line(line + "  " + (metric.phase.empty() ? "all" : metric.phase));
        if (!known) absent.add(metric.name, metric.absent);
    }
    write_absent(text, absent);
}

std::string render(const ObservationDocument& document, std::size_t width, bool colour) {
    return render_observation(document, width, colour);
}

std::string render(const MemoryDocument& document, std::size_t width, bool colour) {
    return render_memory(document, width, colour);
}

std::string render(const ScalingDocument& document, std::size_t width, bool colour) {
    return render_scaling(document, width, colour);
}

std::string render(const RunDocument& document, std::size_t width, bool colour) {
    TerminalText text(width, colour);
    text.paragraph(headline(document), 0, Ink::bold);
    write_failed_checks(text, failed_checks(document));
    for (const auto& scenario : document.scenarios) {
        write_load(text, scenario.name, scenario.description, scenario.load);
        if (scenario.trials > 1)
            text.paragraph(fmt::format("{} trials", scenario.trials), 2, Ink::dim);
        const auto measured = [](const RunMetric& metric) {
            return metric.estimate.value.has_value();
        };
        if (std::ranges::none_of(scenario.metrics, measured)) {
            // A table without a value would only push the reason off the screen.
            text.paragraph("nothing was measured", 2);
            continue;
        }
        write_run_metrics(text, scenario);
        write_segments(text, scenario.segments);
        write_ledger_header(text);
        write_ledger_row(text, " target", scenario.delivery);
        write_harness(text, scenario.harness);
    }
    write_closing(text, document.header);
    return text.take();
}

}  // namespace

void write_compared(TerminalText& text, const std::vector<ComparedMetric>& metrics, bool gated) {
    std::string line = " " + text.cell(gated ? "deciding" : "also measured", kLabel);
    line += text.cell("baseline", kBaseline, true) + text.cell("candidate", kCandidate, true);
    line += text.cell("change", kChange, true) + " " + text.cell("% [95 %]", kInterval);
    text.blank();
    text.line(line + text.cell("noise", kNoise, true) + " verdict", Ink::dim);
    AbsentValues absent;
    for (const auto& metric : metrics) {
        if (metric.gated != gated) continue;
        write_metric(text, metric);
        if (!metric.baseline || !metric.candidate) absent.add(metric.name, metric.reason);
    }
    write_absent(text, absent);
}

Result<std::string> render_terminal(const nlohmann::json& result, std::size_t width, bool colour) {
    const auto document = read_document(result);
    if (!document) return std::unexpected(document.error());
    const std::size_t fitted = std::clamp(width, kWidthMin, kWidthMax);
    return std::visit([=](const auto& kind) { return render(kind, fitted, colour); }, *document);
}

}  // namespace crucible::lab::report
