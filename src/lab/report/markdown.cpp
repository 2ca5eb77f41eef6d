#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "lab/report/document.h"
#include "lab/report/report.h"
#include "lab/report/wording.h"

namespace crucible::lab::report {
namespace {

/// Text that must not turn into markup.
std::string plain(std::string_view text) {
    constexpr std::string_view kMarkup = "\\`*_[]<>|#~&";
    std::string escaped;
    for (const char letter : text) {
        if (kMarkup.find(letter) != std::string_view::npos) escaped += '\\';
        escaped += letter;
    }
    return escaped;
}

/// Code within a line or a table: a fence longer than any run of backticks inside.
std::string code(std::string_view text) {
    std::size_t longest = 0;
    std::size_t run = 0;
    std::string inner;
    for (const char letter : text) {
        run = letter == '`' ? run + 1 : 0;
        longest = std::max(longest, run);
        // A bar ends a table's cell even within code.
        if (letter == '|') inner += '\\';
        inner += letter;
    }
    const std::string fence(longest + 1, '`');
    const std::string_view pad = longest > 0 ? " " : "";
    return fmt::format("{0}{1}{2}{1}{0}", fence, pad, inner);
}

class Markdown {
public:
    template <typename... Args>
    void line(fmt::format_string<Args...> format, Args&&... args) {
        fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
        text_ += '\n';
    }
    void blank() { text_ += '\n'; }
    void row(const std::vector<std::string>& cells) { line("| {} |", fmt::join(cells, " | ")); }
    std::string take() { return std::move(text_); }

private:
    std::string text_;
};

void write_alerts(Markdown& text, const Header& header, const std::vector<FailedCheck>& failed) {
    if (!header.failure.empty()) {
        text.line("> **A target failed, this result is partial:** {}", plain(header.failure));
        text.blank();
    }
    if (header.interrupted) {
        text.line("> **Interrupted, this result is partial.**");
        text.blank();
    }
    if (failed.empty()) return;
    text.line("> **{} check{} failed**", failed.size(), failed.size() == 1 ? "" : "s");
    text.line(">");
    for (const auto& [scenario, check] : failed) {
        text.line("> - **{}: {}**: {}", plain(scenario), plain(check_label(check.name)),
                  plain(check.detail));
    }
    text.blank();
}

void write_load(Markdown& text, const std::string& name, const std::string& description,
                const Load& load) {
    text.line("## {}", plain(name));
    text.blank();
    if (!description.empty()) {
        text.line("{}", plain(description));
        text.blank();
    }
    text.line("- {}", plain(load_sentence(load)));
    for (const auto& phase : load.phases)
        text.line("- {}: {}", plain(phase.name), plain(phase_sentence(phase)));
}

void write_ledger(Markdown& text,
                  const std::vector<std::pair<std::string, const Delivery*>>& ledgers) {
    std::vector<std::string> names{"Events"};
    std::vector<std::string> rules{"---"};
    for (const auto& [label, count] : delivery_columns({})) {
        names.emplace_back(label);
        rules.emplace_back("---:");
    }
    text.row(names);
    text.row(rules);
    for (const auto& [name, delivery] : ledgers) {
        std::vector<std::string> cells{name};
        for (const auto& [label, count] : delivery_columns(*delivery))
            cells.push_back(format_integer(count));
        text.row(cells);
    }
    text.blank();
}

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

void write_checks(Markdown& text, const std::vector<Check>& checks) {
    if (checks.empty()) return;
    text.row({"Check", "Result", "Figures"});
    text.row({"---", "---", "---"});
    for (const auto& check : checks) {
        text.row({plain(check_label(check.name)), check.passed ? "passed" : "**failed**",
                  plain(check.detail)});
    }
    text.blank();
}

void write_origin(Markdown& text, const Header& header) {
    text.line("## How this was measured");
    text.blank();
    text.line("```sh");
    text.line("{}", shell_command(header.command));
    text.line("```");
    text.blank();
    text.line("- crucible {} ({}), seed {}", plain(header.version), plain(header.commit),
              header.seed);
    text.line("- Started {}{}", plain(header.started),
              header.duration_seconds ? fmt::format(", took {:.0f} s", *header.duration_seconds)
                                      : std::string());
    for (const auto& [name, value] : environment_lines(header.environment))
        text.line("- {}: {}", name, plain(value));
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

void write_metrics(Markdown& text, const ComparedScenario& scenario) {
    text.row({"Metric", "Baseline", "Candidate", "Change (95 % interval)", "Noise", "Verdict",
              "Because"});
    text.row({"---", "---:", "---:", "---:", "---:", "---", "---"});
    for (const bool gated : {true, false}) {
        for (const auto& metric : scenario.metrics)
            if (metric.gated == gated) write_metric(text, metric);
    }
    text.blank();
    text.line(
        "Metrics in bold decide. *Noise* is the change of a second copy of the baseline against "
        "the first. CPU, memory and context switches are net of the harness.");
    text.blank();
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
        write_metrics(text, scenario);
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
    text.line("- Margin: ±{:g} %; confidence {:g} %", document.margin * 100,
              document.confidence * 100);
    text.line("- Interval: {}", plain(document.interval_method));
    text.line("- Decision: {}", plain(document.decision_method));
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

Result<std::string> render_markdown(const nlohmann::json& result) {
    const auto document = read_document(result);
    if (!document) return std::unexpected(document.error());
    return std::visit([](const auto& kind) { return render(kind); }, *document);
}

}  // namespace crucible::lab::report
