#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "lab/report/wording.h"

namespace crucible::lab::report {
namespace {

std::string kind_text(std::string_view kind) {
    if (kind == "crucible_run") return "crucible run";
    if (kind == "google_benchmark") return "Google Benchmark";
    if (kind == "k6_summary") return "k6 summary";
    return std::string(kind);
}

std::string machine_text(const InputFile& file) {
    std::vector<std::string> facts;
    for (const auto& [name, value] : file.machine)
        facts.push_back(fmt::format("{} {}", check_label(name), value));
    return facts.empty() ? std::string("not said") : fmt::format("{}", fmt::join(facts, ", "));
}

/// "+1.2 ms [+1.0, +1.4]" without what it is the change of.
std::string with_interval(std::string value, const std::string& interval) {
    return interval.empty() ? value : fmt::format("{} [{}]", value, interval);
}

}  // namespace

std::string looks_word(std::string_view verdict) {
    if (verdict == "inconclusive") return "open";
    return "looks " + verdict_word(verdict);
}

std::string looks_cell(std::string_view verdict) {
    return verdict == "inconclusive" ? "open" : verdict_word(verdict);
}

std::string headline(const ObservationDocument&) {
    return "Observational, nothing is proven: two stored results that were not measured in turn.";
}

std::string repetitions_sentence(const ObservedScenario& scenario) {
    return fmt::format("{} and {} repetitions, not measured in turn", scenario.baseline_repetitions,
                       scenario.candidate_repetitions);
}

std::string format_p_value(const std::optional<double>& p_value) {
    if (!p_value) return std::string(kNoValue);
    if (*p_value < 1e-4) return "< 0.0001";
    return fmt::format("{:.2g}", *p_value);
}

std::string format_delta(const std::optional<Estimate>& delta) {
    if (!delta || !delta->value) return std::string(kNoValue);
    const auto text = [](double value) {
        // Rounding leaves a hair below zero: "-0.00" would claim a direction.
        return fmt::format("{:+.2f}", std::abs(value) < 0.005 ? 0 : value);
    };
    return with_interval(text(*delta->value), delta->has_interval()
                                                  ? text(*delta->low) + ", " + text(*delta->high)
                                                  : std::string());
}

std::string format_whole_difference(const ComparedMetric& metric) {
    if (!metric.difference) return std::string(kNoValue);
    if (is_nothing(*metric.difference)) return "none";
    return with_interval(format_difference(metric, *metric.difference->value),
                         format_difference_interval(metric, *metric.difference));
}

std::string evidence_sentence(const ObservedMetric& metric) {
    const auto& compared = metric.compared;
    if (!compared.difference || is_nothing(*compared.difference)) return {};
    std::vector<std::string> parts;
    if (compared.ratio) parts.push_back("difference " + format_whole_difference(compared));
    if (metric.p_rank_sum || metric.p_welch) {
        parts.push_back(fmt::format("p {} by ranks, {} by means", format_p_value(metric.p_rank_sum),
                                    format_p_value(metric.p_welch)));
    }
    if (metric.cliffs_delta) parts.push_back("Cliff's delta " + format_delta(metric.cliffs_delta));
    return fmt::format("{}", fmt::join(parts, "; "));
}

std::vector<std::pair<std::string, std::string>> input_lines(const Input& input) {
    std::vector<std::pair<std::string, std::string>> lines{{"Kind", kind_text(input.kind)}};
    if (input.files.empty()) return lines;
    const auto& first = input.files.front();
    lines.emplace_back("File", input.files.size() == 1
                                   ? first.path
                                   : fmt::format("{} files, {} to {}", input.files.size(),
                                                 first.path, input.files.back().path));
    if (!first.target.empty()) lines.emplace_back("Target", first.target);
    if (!first.version.empty()) lines.emplace_back("Version", first.version);
    lines.emplace_back("Measured",
                       first.measured.empty() ? "not said"
                       : input.files.size() == 1
                           ? first.measured
                           : fmt::format("{} to {}", first.measured, input.files.back().measured));
    lines.emplace_back("Machine", machine_text(first));
    return lines;
}

std::vector<FailedCheck> failed_checks(const ObservationDocument& document) {
    std::vector<FailedCheck> failed;
    for (const auto& check : document.checks)
        if (!check.passed) failed.push_back({{}, check});
    return failed;
}

}  // namespace crucible::lab::report
