#include "app/crucible/scale_progress.h"

#include <fmt/format.h>

#include <ostream>

#include "lab/scale/slo.h"

namespace crucible::app {
namespace {

constexpr const char* kRow = "{:<10} {:<20} {:>11} {:>10} {:>9}  {}\n";
constexpr std::size_t kTargetColumns = 20;
constexpr std::size_t kOutcomeColumns = 80 - 66;

std::string value_of(const lab::scale::ScalingTrial& trial, std::string_view name) {
    const auto* metric = trial.metric(name);
    if (metric == nullptr || !metric->value) return "-";
    return lab::scale::format_metric_value(*metric->info, *metric->value);
}

std::string outcome_of(const lab::scale::ScalingTrial& trial) {
    if (!trial.valid()) return "invalid: " + trial.invalid.substr(0, trial.invalid.find(':'));
    return trial.broken.empty() ? "held" : trial.broken;
}

/// Without its middle where it is too long: what tells targets and limits apart is at both ends.
std::string shortened(const std::string& text, std::size_t columns) {
    if (text.size() <= columns) return text;
    const std::size_t end = columns / 2;
    return text.substr(0, columns - end - 1) + "…" + text.substr(text.size() - end);
}

}  // namespace

ScaleProgress::ScaleProgress(std::ostream& err, bool quiet, lab::scale::Axis axis)
    : err_(err), quiet_(quiet), axis_(axis), line_(err, quiet) {}

void ScaleProgress::show(const lab::scale::ScalingProgress& progress) {
    const auto load =
        progress.load > 0 ? lab::scale::format_load(axis_, progress.load) : std::string();
    line_.show_running(fmt::format("{} {} {}", progress.what, progress.target, load),
                       progress.trial);
}

void ScaleProgress::add(const lab::scale::ScalingStep& step) {
    if (quiet_) return;
    line_.clear();
    if (!has_head_) err_ << fmt::format(kRow, "stage", "target", "load", "done", "p99", "outcome");
    has_head_ = true;
    const auto& trial = step.trial;
    err_ << fmt::format(kRow, step.what, shortened(step.target, kTargetColumns),
                        lab::scale::format_load(axis_, trial.load), value_of(trial, "throughput"),
                        value_of(trial, "latency_p99"),
                        shortened(outcome_of(trial), kOutcomeColumns))
         << std::flush;
}

}  // namespace crucible::app
