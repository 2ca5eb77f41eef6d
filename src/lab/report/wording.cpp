#include "lab/report/wording.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "base/text.h"
#include "base/units.h"

namespace crucible::lab::report {
namespace {

// What needs no mention.
constexpr std::string_view kProductionMix =
    "filesystem=30,database=25,external=20,mcp=10,service=10,system=5";
constexpr std::string_view kStandardAccounts = "uniform:64";

std::string three_digits(double value) {
    const double magnitude = std::abs(value);
    if (value == std::floor(value) && magnitude < 1e6) return fmt::format("{:.0f}", value);
    if (magnitude >= 100) return fmt::format("{:.0f}", value);
    if (magnitude >= 10) return fmt::format("{:.1f}", value);
    if (magnitude >= 0.01) return fmt::format("{:.{}f}", value, magnitude >= 1 ? 2 : 3);
    return fmt::format("{:.2g}", value);
}

/// With its sign, zero too: a change of nothing is a finding.
std::string signed_number(double value, std::string_view digits) {
    return (value < 0 ? "" : "+") + std::string(digits);
}

/// A rate of errors is shown in percent, its changes in percentage points.
bool is_share(std::string_view metric) {
    return metric == "error_rate" || metric == "http_req_failed_rate" ||
           metric == "short_lived_share";
}

std::string percent(double value) {
    std::string digits = fmt::format("{:.{}f}", value, std::abs(value) >= 100 ? 0 : 1);
    if (digits == "-0.0") digits = "0.0";
    return (digits.front() == '-' ? "" : "+") + digits;
}

std::string difference_text(const ComparedMetric& metric, double difference) {
    if (is_share(metric.name)) return signed_number(difference, three_digits(difference * 100));
    const auto text = format_value(metric.name, metric.unit, difference);
    return signed_number(difference, text);
}

const RunMetric* find_metric(const RunScenario& scenario, std::string_view name) {
    const auto found = std::ranges::find(scenario.metrics, name, &RunMetric::name);
    return found == scenario.metrics.end() || !found->estimate.value ? nullptr : &*found;
}

const Phase* open_phase(const Load& load) {
    const auto found = std::ranges::find_if(
        load.phases, [](const Phase& phase) { return phase.rate.has_value(); });
    return found == load.phases.end() ? nullptr : &*found;
}

std::string rate_text(double rate) {
    return base::format_count(rate) + "/s";
}

std::string exact_duration(double seconds) {
    return exact(base::format_duration(seconds));
}

bool is_steady(const Phase& phase) {
    return phase.pattern.starts_with("steady:") && phase.pattern.find(';') == std::string::npos;
}

std::string offered_text(const Phase& phase) {
    return (is_steady(phase) ? "" : "a mean of ") + rate_text(*phase.rate);
}

/// What one scenario of a run showed, without its name.
std::string run_finding(const RunScenario& scenario) {
    const Phase* open = open_phase(scenario.load);
    if (is_saturated(scenario)) {
        return fmt::format("saturated: it did not keep up with {}, so there is no latency to tell",
                           open ? rate_text(*open->rate) : "the load");
    }
    std::vector<std::string> parts;
    if (const auto* throughput = find_metric(scenario, "throughput");
        throughput && (!open || throughput->phase != open->name)) {
        parts.push_back(fmt::format("handled {} as fast as acknowledged",
                                    rate_text(*throughput->estimate.value)));
    }
    std::vector<std::string> latencies;
    for (const auto* name : {"latency_p50", "latency_p99"}) {
        if (const auto* metric = find_metric(scenario, name)) {
            latencies.push_back(fmt::format("{} {}", name + std::string_view("latency_").size(),
                                            base::format_duration(*metric->estimate.value)));
        }
    }
    if (!latencies.empty()) {
        parts.push_back(fmt::format("latency {}{}", fmt::join(latencies, ", "),
                                    open ? " at " + offered_text(*open) : std::string()));
    }
    const auto& delivery = scenario.delivery;
    parts.push_back(delivery.lost == 0
                        ? fmt::format("no event of {} lost", format_integer(delivery.sent))
                        : fmt::format("{} of {} events lost", format_integer(delivery.lost),
                                      format_integer(delivery.sent)));
    return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace

std::string exact(std::string figure) {
    const auto unit = figure.find(' ');
    const auto point = figure.find('.');
    if (unit == std::string::npos || point == std::string::npos || point > unit) return figure;
    auto end = unit;
    while (figure[end - 1] == '0') --end;
    if (end - 1 == point) --end;
    return figure.erase(end, unit - end);
}

std::string format_integer(std::uint64_t count) {
    std::string text = std::to_string(count);
    for (std::size_t from_end = 3; from_end < text.size(); from_end += 4)
        text.insert(text.size() - from_end, 1, ',');
    return text;
}

std::string format_value(std::string_view metric, std::string_view unit, double value) {
    if (unit == "s") return base::format_duration(value);
    if (unit == "events/s" || unit == "items/s" || unit == "requests/s") return rate_text(value);
    if (unit == "bytes/s") return base::format_bytes(value) + "/s";
    if (unit == "bytes") return base::format_bytes(value);
    if (unit == "events" || unit == "threads") return base::format_count(value);
    if (is_share(metric)) return three_digits(value * 100) + " %";
    if (unit == "1" || unit == "cores" || unit.empty()) return three_digits(value);
    return fmt::format("{} {}", three_digits(value), unit);
}

std::string format_value(std::string_view metric, std::string_view unit,
                         const std::optional<Estimate>& estimate) {
    if (!estimate || !estimate->value) return std::string(kNoValue);
    return format_value(metric, unit, *estimate->value);
}

std::string format_percent_change(double ratio) {
    return percent((ratio - 1) * 100);
}

std::string format_ratio_interval(const Estimate& ratio) {
    if (!ratio.has_interval()) return {};
    return format_percent_change(*ratio.low) + ", " + format_percent_change(*ratio.high);
}

std::string format_difference(const ComparedMetric& metric, double difference) {
    const auto text = difference_text(metric, difference);
    if (is_share(metric.name)) return text + " points";
    if (metric.unit == "events") return text + (difference == 1 ? " event" : " events");
    return text;
}

bool is_nothing(const Estimate& difference) noexcept {
    return difference.value == 0. && difference.low == 0. && difference.high == 0.;
}

std::string format_difference_interval(const ComparedMetric& metric, const Estimate& difference) {
    if (!difference.has_interval()) return {};
    return difference_text(metric, *difference.low) + ", " +
           difference_text(metric, *difference.high);
}

std::string verdict_word(std::string_view verdict) {
    return verdict == "changed_within_margin" ? "within margin" : check_label(verdict);
}

namespace {

/// What a verdict is, where no check has anything to say against it.
std::string verdict_sentence(const ComparisonDocument& document) {
    const auto margin = fmt::format("±{} %", three_digits(document.method.margin * 100));
    if (document.verdict == "adopt") {
        return fmt::format(
            "Adopt the candidate: it is better beyond the margin of {}, and no deciding metric is "
            "worse.",
            margin);
    }
    if (document.verdict == "keep") return "Keep the baseline: the candidate is worse.";
    if (document.verdict == "no_difference") {
        return fmt::format(
            "No difference that matters: no deciding metric changed beyond the margin of {}.",
            margin);
    }
    return "Not proven: these measurements do not decide between baseline and candidate.";
}

}  // namespace

std::string headline(const ComparisonDocument& document) {
    if (!document.header.failure.empty())
        return "Not proven: a target failed before the comparison was complete.";
    if (document.header.interrupted)
        return "Not proven: the comparison was interrupted before it was complete.";
    if (document.voided)
        return "Void: what the comparison rests on does not hold, so that it proves nothing.";
    auto text = verdict_sentence(document);
    if (document.verdict != "not_proven" && !document.cautions.empty()) {
        text += fmt::format(" To be taken with caution: {} failed.",
                            document.cautions.size() == 1
                                ? std::string("a check")
                                : fmt::format("{} checks", document.cautions.size()));
    }
    return text;
}

std::string headline(const RunDocument& document) {
    std::string text = document.target + " ";
    if (!document.header.failure.empty()) {
        text += "failed: " + document.header.failure + "; partial result";
    } else if (document.header.interrupted) {
        text += "was interrupted; partial result";
    } else {
        for (const auto& scenario : document.scenarios) {
            if (&scenario != &document.scenarios.front()) text += "; ";
            if (document.scenarios.size() > 1) text += scenario.name + ": ";
            text += run_finding(scenario);
        }
    }
    return text + ".";
}

std::string verdict_badge(const ComparisonDocument& document) {
    std::string badge = check_label(document.verdict);
    std::ranges::transform(badge, badge.begin(), [](char letter) {
        return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
    });
    return badge;
}

std::string phase_sentence(const Phase& phase) {
    const auto warmup = phase.warmup > 0
                            ? fmt::format(" after a warm-up of {}", exact_duration(phase.warmup))
                            : std::string();
    if (phase.rate) {
        const auto shape = is_steady(phase) ? rate_text(*phase.rate) : phase.pattern;
        return fmt::format("open loop, {} {}, {} events in {}{}", shape, phase.arrivals,
                           format_integer(phase.events), exact_duration(phase.duration), warmup);
    }
    if (!phase.arrivals.empty()) {
        return fmt::format("open loop, {} arrivals, {}{}", phase.arrivals,
                           exact_duration(phase.duration), warmup);
    }
    const auto think =
        phase.think > 0 ? fmt::format(" and {} to think", exact_duration(phase.think)) : "";
    return fmt::format("closed loop, as fast as acknowledged with {} in flight per client{}, {}{}",
                       phase.window, think, exact_duration(phase.duration), warmup);
}

std::array<std::string, 8> segment_cells(const SegmentRow& segment) {
    const auto latency = [](const std::optional<double>& seconds) {
        return seconds ? base::format_duration(*seconds) : std::string(kNoValue);
    };
    return {segment.name,
            segment.start > 0 ? exact_duration(segment.start) : "0",
            rate_text(segment.planned / segment.duration),
            format_integer(segment.sent),
            format_integer(segment.handled),
            latency(segment.latency_p50),
            latency(segment.latency_p99),
            latency(segment.latency_max)};
}

std::string criterion_label(std::string_view name) {
    if (name == "baseline_handles_load") return "baseline handles the load";
    if (name == "baseline_is_stable") return "baseline stays stable";
    if (name == "baseline_scales_predictably") return "baseline scales predictably";
    if (name == "candidate_equal_or_better") return "candidate equal or better";
    if (name == "candidate_more_memory_efficient") return "candidate needs less memory";
    if (name == "candidate_scales_better") return "candidate scales better";
    if (name == "candidate_more_resilient") return "candidate more resilient";
    return std::string(name);
}

std::string outcome_word(std::string_view outcome) {
    std::string word(outcome);
    std::ranges::replace(word, '_', ' ');
    return word;
}

std::array<std::string, 6> risk_cells(const RiskRow& row) {
    return {fmt::format("{}: {}", row.scenario, metric_label(row.metric)),
            row.likelihood,
            row.impact,
            row.evidence,
            row.mitigation,
            row.rollback};
}

std::array<std::string, 4> expectation_cells(const ExpectationRow& row) {
    return {metric_label(row.metric),
            fmt::format("{:+g} to {:+g} %", std::round(row.low * 1e4) / 100,
                        std::round(row.high * 1e4) / 100),
            outcome_word(row.outcome), row.evidence};
}

std::vector<SegmentRow> compared_segments(const ComparedScenario& scenario) {
    std::vector<SegmentRow> rows;
    for (std::size_t i = 0; i < scenario.baseline_segments.size(); ++i) {
        rows.push_back(scenario.baseline_segments[i]);
        if (i >= scenario.candidate_segments.size()) continue;
        rows.push_back(scenario.candidate_segments[i]);
        rows.back().name = "- candidate";
    }
    return rows;
}

std::string load_sentence(const Load& load) {
    const auto plural = [](std::uint64_t count) { return count == 1 ? "" : "s"; };
    const bool one_size = load.payload.find(':') == std::string::npos;
    std::string text;
    if (load.clients) text += fmt::format("{} client{}, ", *load.clients, plural(*load.clients));
    if (load.services)
        text += fmt::format("{} service{}, ", *load.services, plural(*load.services));
    if (load.payload_bytes) {
        text +=
            fmt::format("{} payloads, ",
                        one_size ? exact(base::format_bytes(*load.payload_bytes)) : load.payload);
    }
    text += load.pacing + " pacing";
    if (load.mix != kProductionMix) text += "; mix " + load.mix;
    if (load.accounts != kStandardAccounts) text += "; accounts " + load.accounts;
    if (!load.faults.empty()) text += "; faults " + load.faults;
    if (load.realtime) text += "; real-time";
    if (!load.client_cpus.empty()) text += "; clients on processors " + load.client_cpus;
    if (!load.system_cpus.empty()) text += "; the daemon on processors " + load.system_cpus;
    return text;
}

std::string rounds_sentence(const ComparedScenario& scenario) {
    return fmt::format("{} round{} compared, {} invalid", scenario.rounds,
                       scenario.rounds == 1 ? "" : "s", scenario.rounds_invalid);
}

std::vector<std::pair<std::string, std::string>> environment_lines(const Environment& environment) {
    std::vector<std::string> loads;
    for (const double load : environment.load_average) loads.push_back(fmt::format("{:.2f}", load));
    return {{"CPU", fmt::format("{} core{} of {}", environment.cores,
                                environment.cores == 1 ? "" : "s", environment.cpu)},
            {"Memory", base::format_bytes(environment.memory_bytes)},
            {"System", fmt::format("{}; {}", environment.os, environment.kernel)},
            {"Frequency governor",
             environment.governor.empty() ? "not readable" : environment.governor},
            {"Load average", fmt::format("{} (1, 5, 15 min)", fmt::join(loads, ", "))},
            {"Idle states", !environment.idle_latency_limit ? "not limited, or not readable"
                            : *environment.idle_latency_limit == 0
                                ? "none that take time to leave"
                                : "those that take up to " +
                                      base::format_duration(*environment.idle_latency_limit)},
            {"Timer wake-up", fmt::format("{} median, {} p99 after the due time",
                                          base::format_duration(environment.wakeup_p50),
                                          base::format_duration(environment.wakeup_p99))}};
}

std::string shell_command(const std::vector<std::string>& command) {
    std::string text;
    for (const auto& word : command) {
        if (!text.empty()) text += ' ';
        text += base::shell_word(word);
    }
    return text;
}

std::string failed_label(const FailedCheck& failed) {
    const auto label = check_label(failed.check.name);
    return failed.scenario.empty() ? label : fmt::format("{}: {}", failed.scenario, label);
}

std::vector<FailedCheck> failed_checks(const ComparisonDocument& document) {
    std::vector<FailedCheck> failed;
    for (const auto& scenario : document.scenarios) {
        for (const auto& check : scenario.checks)
            if (!check.passed) failed.push_back({scenario.name, check});
    }
    return failed;
}

std::vector<FailedCheck> failed_checks(const RunDocument& document) {
    std::vector<FailedCheck> failed;
    for (const auto& scenario : document.scenarios) {
        for (const auto& check : scenario.checks)
            if (!check.passed) failed.push_back({scenario.name, check});
    }
    return failed;
}

std::vector<std::pair<std::string_view, std::uint64_t>> delivery_columns(const Delivery& delivery) {
    return {{"planned", delivery.planned},    {"sent", delivery.sent},
            {"handled", delivery.handled},    {"rejected", delivery.rejected},
            {"lost", delivery.lost},          {"duplicated", delivery.duplicated},
            {"reordered", delivery.reordered}};
}

std::vector<HarnessCost> telling_costs(const std::vector<HarnessCost>& harness) {
    constexpr std::array<std::string_view, 6> kTelling{
        "cpu_per_event", "memory_peak", "latency_p50", "latency_p99", "lateness_p99", "throughput"};
    std::vector<HarnessCost> costs;
    for (const auto name : kTelling) {
        const auto found = std::ranges::find(harness, name, &HarnessCost::name);
        if (found != harness.end()) costs.push_back(*found);
    }
    return costs;
}

void AbsentValues::add(std::string_view metric, std::string_view reason) {
    const auto same =
        std::ranges::find(notes_, reason, &std::pair<std::string, std::string>::second);
    if (same == notes_.end()) {
        notes_.emplace_back(metric_label(metric), reason);
    } else {
        same->first += ", " + metric_label(metric);
    }
}

bool is_saturated(const RunScenario& scenario) {
    return std::ranges::any_of(scenario.checks, [](const Check& check) {
        return check.name == "not_saturated" && !check.passed;
    });
}

}  // namespace crucible::lab::report
