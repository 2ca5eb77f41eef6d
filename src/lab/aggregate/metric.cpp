#include "lab/aggregate/metric.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace crucible::lab {
namespace {

constexpr std::array<MetricInfo, 23> kMetrics{{
    {"throughput", "events/s", Better::higher, true},
    {"payload_throughput", "bytes/s", Better::higher, false},
    {"latency_mean", "s", Better::lower, false},
    {"latency_p50", "s", Better::lower, true},
    {"latency_p90", "s", Better::lower, false},
    {"latency_p95", "s", Better::lower, true},
    {"latency_p99", "s", Better::lower, true},
    {"latency_p999", "s", Better::lower, false},
    {"latency_max", "s", Better::lower, false},
    {"service_time_p99", "s", Better::lower, false},
    {"lateness_p99", "s", Better::lower, false},
    {"cpu_per_event", "s", Better::lower, true},
    {"cpu_utilization", "cores", Better::lower, false},
    {"memory_peak", "bytes", Better::lower, true},
    {"memory_mean", "bytes", Better::lower, false},
    {"error_rate", "1", Better::lower, true},
    {"lost", "events", Better::lower, false},
    {"duplicated", "events", Better::lower, false},
    {"reordered", "events", Better::lower, false},
    {"fairness", "1", Better::higher, false},
    {"longest_stall", "s", Better::lower, false},
    {"threads", "threads", Better::lower, false},
    {"context_switches_per_event", "1", Better::lower, false},
}};

}  // namespace

std::string_view to_string(Better better) noexcept {
    return better == Better::higher ? "higher" : "lower";
}

std::span<const MetricInfo> known_metrics() noexcept {
    return kMetrics;
}

const MetricInfo* find_metric(std::string_view name) noexcept {
    const auto* found = std::ranges::find(kMetrics, name, &MetricInfo::name);
    return found == kMetrics.end() ? nullptr : found;
}

std::uint64_t quantile_samples_min(double p) noexcept {
    // The interval's outer ranks are 1 and n; they enclose the quantile on the longer side with
    // probability 1 - max(p, 1 - p)^n.
    return static_cast<std::uint64_t>(std::ceil(std::log(0.025) / std::log(std::max(p, 1 - p))));
}

const PhaseResult* latency_phase(const std::vector<PhaseResult>& phases) noexcept {
    for (const auto& result : phases) {
        if (result.phase.open_loop()) return &result;
    }
    return phases.empty() ? nullptr : &phases.front();
}

const PhaseResult* throughput_phase(const std::vector<PhaseResult>& phases) noexcept {
    for (const auto& result : phases) {
        if (!result.phase.open_loop()) return &result;
    }
    return phases.empty() ? nullptr : &phases.front();
}

double backlog_growth(const PhaseResult& phase) {
    std::vector<std::uint64_t> total;
    for (const auto& client : phase.clients) {
        total.resize(std::max(total.size(), client.backlog.size()), 0);
        for (std::size_t i = 0; i < client.backlog.size(); ++i) total[i] += client.backlog[i];
    }
    if (total.size() < 2) return 0;
    // To the peak, not to the end: after the load the backlog drains.
    const auto peak = std::ranges::max_element(total);
    if (peak == total.begin()) return 0;
    const double seconds = std::chrono::duration<double>(kBacklogInterval).count() *
                           static_cast<double>(peak - total.begin());
    return static_cast<double>(*peak - total.front()) / seconds;
}

std::string format_integer(std::uint64_t count) {
    std::string text = std::to_string(count);
    for (std::size_t from_end = 3; from_end < text.size(); from_end += 4) {
        text.insert(text.size() - from_end, 1, ',');
    }
    return text;
}

}  // namespace crucible::lab
