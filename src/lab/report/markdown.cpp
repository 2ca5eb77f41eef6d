#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "lab/report/document.h"
#include "lab/report/markdown_parts.h"
#include "lab/report/report.h"
#include "lab/report/wording.h"

namespace crucible::lab::report {
namespace {

void write_harness(Markdown& text, const std::vector<HarnessCost>& harness) {
    if (harness.empty()) return;
    std::vector<std::string> figures;
    for (const auto& cost : telling_costs(harness)) {
        figures.push_back(fmt::format("{} {}", metric_label(cost.name),
                                      format_value(cost.name, cost.unit, cost.value)));
    }
    text.line("The harness alone, under the same load against `null:`: {}.",
              plain(fmt::format("{}", fmt::join(figures, ", "))));
    text.blank();
}

// A comparison.

std::string change_cell(const ComparedMetric& metric) {
    std::string change;
    std::string interval;
    if (metric.ratio) {
        change = format_percent_change(*metric.ratio->value) + " %";
        interval = format_ratio_interval(*metric.ratio);
    } else if (metric.difference && is_nothing(*metric.difference)) {
        return "none";
    } else if (metric.difference) {
        change = format_difference(metric, *metric.difference->value);
        interval = format_difference_interval(metric, *metric.difference);
    } else {
        return std::string(kNoValue);
    }
    return interval.empty() ? change : fmt::format("{} ({})", change, interval);
}

void write_metric(Markdown& text, const ComparedMetric& metric) {
    const auto label = plain(metric_label(metric.name));
    text.row({metric.gated ? fmt::format("**{}**", label) : label,
              format_value(metric.name, metric.unit, metric.baseline),
              format_value(metric.name, metric.unit, metric.candidate), change_cell(metric),
              metric.ratio && metric.control ? format_percent_change(*metric.control->value) + " %"
                                             : std::string(kNoValue),
              plain(verdict_word(metric.verdict)), plain(metric.reason)});
}

void write_invalid_rounds(Markdown& text, const ComparedScenario& scenario) {
    for (const auto& round : scenario.round_details) {
        if (round.valid) continue;
        text.line("- Round {} was invalid and is not compared: {}", round.number,
                  plain(fmt::format("{}", fmt::join(round.notes, "; "))));
    }
}

void write_segments(Markdown& text, const std::vector<SegmentRow>& segments) {
    if (segments.empty()) return;
    text.row({kSegmentColumns.begin(), kSegmentColumns.end()});
    text.row({"---", "---:", "---:", "---:", "---:", "---:", "---:", "---:"});
    for (const auto& segment : segments) {
        auto cells = segment_cells(segment);
        cells.front() = plain(cells.front());
        text.row({cells.begin(), cells.end()});
    }
    text.blank();
}

void write_expectations(Markdown& text, const std::vector<ExpectationRow>& expectations) {
    if (expectations.empty()) return;
    text.row({kExpectationColumns.begin(), kExpectationColumns.end()});
    text.row({"---", "---", "---", "---"});
    for (const auto& expectation : expectations) {
        auto cells = expectation_cells(expectation);
        cells.back() = plain(cells.back());
        text.row({cells.begin(), cells.end()});
    }
    text.blank();
}

void write_assessment(Markdown& text, const ComparisonDocument& document) {
    if (!document.recommendations.empty()) {
        text.line("## Recommended");
        text.blank();
        for (const auto& recommendation : document.recommendations) {
            text.line("- {}", plain(recommendation));
        }
        text.blank();
    }
    if (!document.risks.empty()) {
        text.line("## Risks of moving");
        text.blank();
        text.row({kRiskColumns.begin(), kRiskColumns.end()});
        text.row({"---", "---", "---", "---", "---", "---"});
        for (const auto& risk : document.risks) {
            auto cells = risk_cells(risk);
            for (auto& cell : cells) cell = plain(cell);
            text.row({cells.begin(), cells.end()});
        }
        text.blank();
    }
    if (document.criteria.empty()) return;
    text.line("## Criteria of the migration");
    text.blank();
    text.row({"criterion", "outcome", "evidence"});
    text.row({"---", "---", "---"});
    for (const auto& criterion : document.criteria) {
        text.row({criterion_label(criterion.name), outcome_word(criterion.outcome),
                  plain(criterion.evidence)});
    }
    text.blank();
}

std::string render(const ComparisonDocument& document) {
    Markdown text;
    text.line("# {}", plain(headline(document)));
    text.blank();
    text.row({"", "Target"});
    text.row({"---", "---"});
    text.row({"Baseline", code(document.baseline)});
    text.row({"Candidate", code(document.candidate)});
    text.blank();
    write_alerts(text, document.header, failed_checks(document));
    for (const auto& reason : document.reasons) text.line("- {}", plain(reason));
    text.blank();
    for (const auto& scenario : document.scenarios) {
        write_load(text, scenario.name, scenario.description, scenario.load);
        text.line("- {}", rounds_sentence(scenario));
        write_invalid_rounds(text, scenario);
        text.blank();
        write_compared(text, scenario.metrics);
        write_expectations(text, scenario.expectations);
        if (const auto segments = compared_segments(scenario); !segments.empty()) {
            text.line("{}:", kComparedSegments);
            text.blank();
            write_segments(text, segments);
        }
        write_ledger(text, {{"Baseline", &scenario.baseline_delivery},
                            {"Candidate", &scenario.candidate_delivery}});
        write_harness(text, scenario.harness);
        write_checks(text, scenario.checks);
    }
    write_assessment(text, document);
    write_origin(text, document.header);
    text.line("- Margin: ±{:g} %; confidence {:g} %", document.method.margin * 100,
              document.method.confidence * 100);
    text.line("- Interval: {}", plain(document.method.interval));
    text.line("- Decision: {}", plain(document.method.decision));
    return text.take();
}

// A run.

std::string interval_cell(const RunMetric& metric) {
    if (!metric.estimate.has_interval()) return std::string(kNoValue);
    return fmt::format("{} to {} ({})",
                       format_value(metric.name, metric.unit, *metric.estimate.low),
                       format_value(metric.name, metric.unit, *metric.estimate.high),
                       plain(check_label(metric.interval)));
}

void write_run_metrics(Markdown& text, const RunScenario& scenario) {
    text.row({"Metric", "Value", "95 % interval", "Samples", "Phase", "Note"});
    text.row({"---", "---:", "---:", "---:", "---", "---"});
    for (const auto& metric : scenario.metrics) {
        text.row({plain(metric_label(metric.name)),
                  format_value(metric.name, metric.unit, metric.estimate), interval_cell(metric),
                  format_integer(metric.n), metric.phase.empty() ? "all" : plain(metric.phase),
                  plain(metric.absent)});
    }
    text.blank();
}

std::string render(const ObservationDocument& document) {
    return render_observation(document);
}

std::string render(const MemoryDocument& document) {
    return render_memory(document);
}

std::string render(const ScalingDocument& document) {
    return render_scaling(document);
}

std::string render(const RunDocument& document) {
    Markdown text;
    text.line("# {}", plain(headline(document)));
    text.blank();
    text.line("Target: {}", code(document.target));
    text.blank();
    write_alerts(text, document.header, failed_checks(document));
    for (const auto& scenario : document.scenarios) {
        write_load(text, scenario.name, scenario.description, scenario.load);
        text.line("- {} trial{}", scenario.trials, scenario.trials == 1 ? "" : "s");
        text.blank();
        write_run_metrics(text, scenario);
        write_segments(text, scenario.segments);
        write_ledger(text, {{"Target", &scenario.delivery}});
        write_harness(text, scenario.harness);
        write_checks(text, scenario.checks);
    }
    write_origin(text, document.header);
    return text.take();
}

}  // namespace

void write_compared(Markdown& text, const std::vector<ComparedMetric>& metrics) {
    text.row({"Metric", "Baseline", "Candidate", "Change (95 % interval)", "Noise", "Verdict",
              "Because"});
    text.row({"---", "---:", "---:", "---:", "---:", "---", "---"});
    for (const bool gated : {true, false}) {
        for (const auto& metric : metrics)
            if (metric.gated == gated) write_metric(text, metric);
    }
    text.blank();
    text.line(
        "Metrics in bold decide. *Noise* is the change of a second copy of the baseline against "
        "the first. CPU, memory and context switches are net of the harness.");
    text.blank();
}

Result<std::string> render_markdown(const nlohmann::json& result) {
    const auto document = read_document(result);
    if (!document) return std::unexpected(document.error());
    return std::visit([](const auto& kind) { return render(kind); }, *document);
}

}  // namespace crucible::lab::report
