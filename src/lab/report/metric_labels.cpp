#include <algorithm>
#include <array>

#include "lab/report/wording.h"

namespace crucible::lab::report {
namespace {

struct MetricLabel {
    std::string_view name;
    std::string_view label;
    std::string_view meaning;
};

constexpr std::array<MetricLabel, 40> kLabels{{
    {"throughput", "Throughput",
     "Events handled per second, by the closed loop where there is one."},
    {"payload_throughput", "Payload rate", "Payload bytes of handled events per second."},
    {"latency_mean", "Latency mean", "Mean time from when an event was due until it was handled."},
    {"latency_p50", "Latency p50",
     "Half of the events were handled within this time of being due."},
    {"latency_p90", "Latency p90",
     "90 % of the events were handled within this time of being due."},
    {"latency_p95", "Latency p95",
     "95 % of the events were handled within this time of being due."},
    {"latency_p99", "Latency p99",
     "99 % of the events were handled within this time of being due."},
    {"latency_p999", "Latency p99.9",
     "99.9 % of the events were handled within this time of being due."},
    {"latency_max", "Latency max", "The longest time from due to handled."},
    {"service_time_p99", "Service time p99",
     "99 % of the events were handled within this time of being sent; no wait of the sender."},
    {"lateness_p99", "Lateness p99",
     "99 % of the events were sent within this time of being due: the injector's own punctuality."},
    {"cpu_per_event", "CPU per event", "CPU time of the system under test for each handled event."},
    {"cpu_utilization", "Cores in use", "Cores kept busy by the system under test, on average."},
    {"memory_peak", "Memory peak",
     "Largest proportional set size, summed over the system's processes."},
    {"memory_mean", "Memory mean",
     "Mean proportional set size, summed over the system's processes."},
    {"allocations_per_event", "Allocations",
     "Allocations of the system under test for each event."},
    {"allocated_bytes_per_event", "Allocated/event",
     "Bytes that the system under test asked for, for each event."},
    {"live_bytes", "Live", "Bytes still allocated when all events had ended."},
    {"live_bytes_peak", "Live peak",
     "Most bytes that were allocated at once, since the start: of each process, summed."},
    {"peak_live_bytes_per_event", "Peak/event",
     "Bytes by which the live peak grows with each further event in flight."},
    {"payload_per_live_peak", "Payload/peak",
     "Payload bytes of all events over the live peak: it grows with the load's length where the "
     "peak "
     "does not."},
    {"freed_share", "Freed", "Bytes freed over bytes allocated, while the events were handled."},
    {"fragmentation", "Fragmentation",
     "Resident memory that is no file's over what the live blocks can hold."},
    {"byte_seconds_per_event", "Held/event",
     "Bytes freed, times the seconds for which they were held, for each event; what is kept is not "
     "in it."},
    {"lifetime_p50", "Lifetime p50", "Half of the blocks were freed within this time."},
    {"short_lived_share", "Short-lived",
     "Blocks freed within a millisecond, of all that were freed: the allocator's churn."},
    {"error_rate", "Error rate", "Share of sent events that were rejected or lost."},
    {"lost", "Events lost", "Events accepted and never acknowledged."},
    {"duplicated", "Duplicated", "Acknowledgements beyond an event's first."},
    {"reordered", "Reordered", "Events handled after a later one of the same priority."},
    {"fairness", "Fairness", "Throughput of the slowest client over that of the fastest."},
    {"longest_stall", "Longest stall",
     "Longest time without any completion while an event was waiting for one."},
    {"threads", "Threads", "Most threads of the system under test at once."},
    {"context_switches_per_event", "Switches/event",
     "Context switches of the system under test for each handled event."},
    {"real_time", "Real time", "Google Benchmark: wall time of one iteration."},
    {"cpu_time", "CPU time", "Google Benchmark: CPU time of one iteration."},
    {"items_per_second", "Items/s", "Google Benchmark: items that it counts, per second."},
    {"bytes_per_second", "Bytes/s", "Google Benchmark: bytes that it counts, per second."},
    {"http_reqs_rate", "Requests", "k6: requests per second."},
    {"http_req_failed_rate", "Failed requests", "k6: share of requests that failed."},
}};

const MetricLabel* find(std::string_view name) noexcept {
    const auto* found = std::ranges::find(kLabels, name, &MetricLabel::name);
    return found == kLabels.end() ? nullptr : found;
}

}  // namespace

std::string metric_label(std::string_view name) {
    if (const auto* known = find(name)) return std::string(known->label);
    // Which percentiles k6 tells is its user's choice.
    constexpr std::string_view kDuration = "http_req_duration_";
    if (name.starts_with(kDuration))
        return "Duration " + check_label(name.substr(kDuration.size()));
    return check_label(name);
}

std::string_view metric_meaning(std::string_view name) noexcept {
    const auto* known = find(name);
    return known ? known->meaning : std::string_view();
}

std::string check_label(std::string_view name) {
    std::string label(name);
    std::ranges::replace(label, '_', ' ');
    return label;
}

}  // namespace crucible::lab::report
