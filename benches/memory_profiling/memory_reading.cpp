#include "memory_profiling/memory_reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "lab/aggregate/metric.h"
#include "lab/memory/memory_trial.h"

namespace crucible::bench {
namespace {

std::unexpected<Error> not_counted(std::string what) {
    return std::unexpected(Error{Errc::failed, std::move(what)});
}

double metric_named(const std::vector<lab::MetricValue>& metrics, std::string_view name) {
    const auto found = std::ranges::find_if(
        metrics, [name](const auto& metric) { return metric.info->name == name; });
    if (found == metrics.end() || !found->value) return std::numeric_limits<double>::quiet_NaN();
    return *found->value;
}

/// Of a trial whose phases are driven twice.
Result<> count(const lab::MemoryTrial& counted, MemoryReading& reading) {
    if (!counted.missing.empty()) return not_counted(counted.missing.front());
    const auto first = lab::memory_figures(counted, 0);
    const auto last = lab::memory_figures(counted, counted.trial.phases.size() - 1);
    if (!first || !last) return not_counted("no process of the system is known");
    if (!last->conserved.passed) return not_counted(last->conserved.detail);
    const auto values = lab::allocation_values(*last);
    reading.allocations_per_event = metric_named(values, "allocations_per_event");
    reading.bytes_per_event = metric_named(values, "allocated_bytes_per_event");
    reading.live_bytes = metric_named(values, "live_bytes");
    reading.live_bytes_peak = metric_named(values, "live_bytes_peak");
    const auto& begun = first->total;
    reading.idle_bytes = begun.live_bytes - (begun.bytes - begun.freed_bytes);
    reading.events = last->events;
    reading.owners = last->owners;
    return {};
}

}  // namespace

Result<> check_handled(const lab::TrialResult& trial) {
    if (trial.failure) return std::unexpected(*trial.failure);
    for (const auto& phase : trial.phases) {
        const auto& ends = phase.delivery;
        if (ends.handled != ends.sent || ends.duplicated > 0) {
            return not_counted(fmt::format(
                "of {} events {} were handled, {} refused, {} lost, {} doubled in {}", ends.sent,
                ends.handled, ends.rejected, ends.lost, ends.duplicated, phase.phase.name));
        }
    }
    return {};
}

Result<lab::TrialResult> harness_trial(const lab::Scenario& scenario) {
    return lab::run_trial(*lab::parse_target("null:"), scenario.system, scenario.plan, {});
}

Result<MemoryReading> read_memory(const std::string& target, const lab::Scenario& scenario,
                                  const lab::TrialResult& harness) {
    const auto url = lab::parse_target(target);
    if (!url) return std::unexpected(url.error());
    const auto tracker = lab::find_tracker();
    if (!tracker) return std::unexpected(tracker.error());
    const auto plain = lab::run_trial(*url, scenario.system, scenario.plan, {});
    if (!plain) return std::unexpected(plain.error());
    if (auto ended = check_handled(*plain); !ended) return std::unexpected(ended.error());

    // What a system allocates the first time that it does something stays.
    lab::Plan twice = scenario.plan;
    twice.phases.insert(twice.phases.end(), scenario.plan.phases.begin(),
                        scenario.plan.phases.end());
    const auto counted = lab::run_memory_trial(*url, scenario.system, twice, {}, *tracker);
    if (!counted) return std::unexpected(counted.error());
    if (auto ended = check_handled(counted->trial); !ended) return std::unexpected(ended.error());

    MemoryReading reading;
    if (auto read = count(*counted, reading); !read) return std::unexpected(read.error());
    reading.memory_peak = metric_named(lab::trial_metrics(*plain, &harness), "memory_peak");
    const auto& phase = plain->phases.back();
    reading.throughput = phase.throughput;
    for (const auto& client : phase.clients) {
        if (!client.backlog.empty())
            reading.in_flight += static_cast<double>(std::ranges::max(client.backlog));
    }
    return reading;
}

}  // namespace crucible::bench
