#include "lab/run/phase_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "lab/run/merge.h"

namespace crucible::lab::wire {
namespace {

using nlohmann::json;

json delivery_json(const Delivery& delivery) {
    return {{"planned", delivery.planned},    {"sent", delivery.sent},
            {"handled", delivery.handled},    {"rejected", delivery.rejected},
            {"lost", delivery.lost},          {"duplicated", delivery.duplicated},
            {"reordered", delivery.reordered}};
}

Delivery delivery_from(const json& object) {
    Delivery delivery;
    delivery.planned = object.at("planned");
    delivery.sent = object.at("sent");
    delivery.handled = object.at("handled");
    delivery.rejected = object.at("rejected");
    delivery.lost = object.at("lost");
    delivery.duplicated = object.at("duplicated");
    delivery.reordered = object.at("reordered");
    return delivery;
}

json segments_json(const std::vector<SegmentPart>& segments) {
    json result = json::array();
    for (const auto& segment : segments)
        result.push_back({segment.sent, segment.latency.encode_exact()});
    return result;
}

std::vector<SegmentPart> segments_from(const json& array) {
    std::vector<SegmentPart> segments;
    for (const auto& part : array) {
        segments.push_back({part.at(0).get<std::uint64_t>(),
                            must(Histogram::decode(part.at(1).get<std::string>()))});
    }
    return segments;
}

json series_json(const std::vector<SeriesPoint>& series) {
    json result = json::array();
    for (const auto& point : series) {
        result.push_back({point.sent, point.handled, point.refused, point.latency_sum.count(),
                          point.latency_max.count(), point.lateness_max.count()});
    }
    return result;
}

std::vector<SeriesPoint> series_from(const json& array) {
    std::vector<SeriesPoint> series;
    for (const auto& point : array) {
        series.push_back({.sent = point.at(0),
                          .handled = point.at(1),
                          .refused = point.at(2),
                          .latency_sum = Duration(point.at(3).get<std::int64_t>()),
                          .latency_max = Duration(point.at(4).get<std::int64_t>()),
                          .lateness_max = Duration(point.at(5).get<std::int64_t>())});
    }
    return series;
}

/// Of each second the pairs index, count that are not zero.
json latency_series_json(const std::vector<CoarseHistogram>& series) {
    json result = json::array();
    for (const auto& second : series) {
        json pairs = json::array();
        for (std::size_t i = 0; i < second.counts().size(); ++i) {
            if (second.counts()[i] == 0) continue;
            pairs.push_back(i);
            pairs.push_back(second.counts()[i]);
        }
        result.push_back(std::move(pairs));
    }
    return result;
}

std::vector<CoarseHistogram> latency_series_from(const json& array) {
    std::vector<CoarseHistogram> series;
    for (const auto& pairs : array) {
        auto& second = series.emplace_back();
        for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
            const std::size_t index = pairs.at(i);
            if (index >= CoarseHistogram::kSize) throw std::invalid_argument("latency step");
            second.add(index, pairs.at(i + 1));
        }
    }
    return series;
}

json faults_json(const FaultCounts& counts) {
    json all = json::array();
    for (const auto& count : counts)
        all.push_back({count.sent, count.as_expected, count.otherwise});
    return all;
}

FaultCounts faults_from(const json& array) {
    FaultCounts counts;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        const auto& one = array.at(i);
        counts[i] = {.sent = one.at(0), .as_expected = one.at(1), .otherwise = one.at(2)};
    }
    return counts;
}

Histogram histogram_at(const json& object, const char* name) {
    return must(Histogram::decode(object.at(name).get<std::string>()));
}

json usage_json(const Usage& usage) {
    return {{"wall_ns", usage.wall.count()},
            {"cpu_ns", usage.cpu.count()},
            {"cpu_user_ns", usage.cpu_user.count()},
            {"cpu_system_ns", usage.cpu_system.count()},
            {"memory_peak_bytes", usage.memory_peak_bytes},
            {"memory_mean_bytes", usage.memory_mean_bytes},
            {"threads_max", usage.threads_max},
            {"voluntary_switches", usage.voluntary_switches},
            {"involuntary_switches", usage.involuntary_switches},
            {"samples", usage.samples},
            {"memory_samples", usage.memory_samples},
            {"sampler_cpu_ns", usage.sampler_cpu.count()}};
}

Usage usage_from(const json& object) {
    Usage usage;
    usage.wall = duration_at(object, "wall_ns");
    usage.cpu = duration_at(object, "cpu_ns");
    usage.cpu_user = duration_at(object, "cpu_user_ns");
    usage.cpu_system = duration_at(object, "cpu_system_ns");
    usage.memory_peak_bytes = object.at("memory_peak_bytes");
    usage.memory_mean_bytes = object.at("memory_mean_bytes");
    usage.threads_max = object.at("threads_max");
    usage.voluntary_switches = object.at("voluntary_switches");
    usage.involuntary_switches = object.at("involuntary_switches");
    usage.samples = object.at("samples");
    usage.memory_samples = object.at("memory_samples");
    usage.sampler_cpu = duration_at(object, "sampler_cpu_ns");
    return usage;
}

}  // namespace

json phase_json(const Phase& phase) {
    return {{"name", phase.name},
            {"pattern", phase.pattern ? json(phase.pattern->text()) : json(nullptr)},
            {"arrivals", to_string(phase.arrivals)},
            {"duration_ns", phase.closed_duration.count()},
            {"warmup_ns", phase.warmup.count()},
            {"think_ns", phase.think.count()},
            {"window", phase.window},
            {"flows_on", phase.flows_on}};
}

Duration duration_at(const json& object, const char* name) {
    return Duration(object.at(name).get<std::int64_t>());
}

Phase phase_from(const json& object) {
    Phase phase;
    phase.name = object.at("name");
    if (const auto& pattern = object.at("pattern"); !pattern.is_null())
        phase.pattern = must(Pattern::parse(pattern.get<std::string>()));
    phase.arrivals = must(parse_arrivals(object.at("arrivals").get<std::string>()));
    phase.closed_duration = duration_at(object, "duration_ns");
    phase.warmup = duration_at(object, "warmup_ns");
    phase.think = duration_at(object, "think_ns");
    phase.window = object.at("window");
    // Rounds that were kept before it was known are read again.
    phase.flows_on = object.value("flows_on", false);
    return phase;
}

json client_phase_json(const ClientPhase& phase) {
    return {{"client", phase.client},
            {"delivery", delivery_json(phase.delivery)},
            {"latency", phase.latency.encode_exact()},
            {"service_time", phase.service_time.encode_exact()},
            {"lateness", phase.lateness.encode_exact()},
            {"own_lateness", phase.own_lateness.encode_exact()},
            {"segments", segments_json(phase.segments)},
            {"series_interval_ns", phase.series_interval.count()},
            {"latency_interval_ns", phase.latency_interval.count()},
            {"series", series_json(phase.series)},
            {"latency_series", latency_series_json(phase.latency_series)},
            {"completed", phase.completed},
            {"completed_in_window", phase.completed_in_window},
            {"window_start_ns", phase.window_start.count()},
            {"window_ns", phase.window.count()},
            {"payload_bytes", phase.payload_bytes},
            {"in_flight_max", phase.in_flight_max},
            {"longest_stall_ns", phase.longest_stall.count()},
            {"backlog", phase.backlog},
            {"unknown", phase.unknown},
            {"in_flight_time_ns", phase.in_flight_time.count()},
            {"service_time_total_ns", phase.service_time_total.count()},
            {"due_in_window", phase.due_in_window},
            {"faults", faults_json(phase.faults)},
            {"remarks", phase.remarks},
            {"target_gone", phase.target_gone ? json(*phase.target_gone) : json(nullptr)}};
}

ClientPhase client_phase_from(const json& object) {
    ClientPhase phase;
    phase.client = object.at("client");
    phase.delivery = delivery_from(object.at("delivery"));
    phase.latency = histogram_at(object, "latency");
    phase.service_time = histogram_at(object, "service_time");
    phase.lateness = histogram_at(object, "lateness");
    phase.own_lateness = histogram_at(object, "own_lateness");
    phase.segments = segments_from(object.at("segments"));
    phase.series_interval = duration_at(object, "series_interval_ns");
    phase.latency_interval = duration_at(object, "latency_interval_ns");
    phase.series = series_from(object.at("series"));
    phase.latency_series = latency_series_from(object.at("latency_series"));
    phase.completed = object.at("completed");
    phase.completed_in_window = object.at("completed_in_window");
    phase.window_start = duration_at(object, "window_start_ns");
    phase.window = duration_at(object, "window_ns");
    phase.payload_bytes = object.at("payload_bytes");
    // Rounds that were kept before it was known are read again.
    phase.in_flight_max = object.value("in_flight_max", std::uint64_t{0});
    phase.longest_stall = duration_at(object, "longest_stall_ns");
    phase.backlog = object.at("backlog").get<std::vector<std::uint64_t>>();
    phase.unknown = object.at("unknown");
    phase.in_flight_time = duration_at(object, "in_flight_time_ns");
    phase.service_time_total = duration_at(object, "service_time_total_ns");
    phase.due_in_window = object.at("due_in_window");
    phase.faults = faults_from(object.at("faults"));
    phase.remarks = object.at("remarks");
    if (const auto& gone = object.at("target_gone"); !gone.is_null())
        phase.target_gone = gone.get<std::string>();
    return phase;
}

Errc code_from(const std::string& name) {
    for (auto code = static_cast<int>(Errc::invalid_argument);
         code <= static_cast<int>(Errc::failed); ++code) {
        if (to_string(static_cast<Errc>(code)) == name) return static_cast<Errc>(code);
    }
    return Errc::failed;
}

json phase_result_json(const PhaseResult& phase) {
    // What is merged goes back to the first client: merging is exact, so that reading it merges to
    // the same again.
    auto clients = phase.clients;
    if (!clients.empty()) {
        auto& first = clients.front();
        first.latency = phase.latency;
        first.service_time = phase.service_time;
        first.lateness = phase.lateness;
        first.own_lateness = phase.own_lateness;
        first.segments = phase.segments;
        first.series = phase.series;
        first.latency_series = phase.latency_series;
    }
    json all = json::array();
    for (const auto& client : clients) all.push_back(client_phase_json(client));
    return {{"phase", phase_json(phase.phase)},
            {"clients", std::move(all)},
            {"usage", usage_json(phase.usage)},
            {"usage_system", usage_json(phase.usage_system)}};
}

PhaseResult phase_result_from(const json& object) {
    std::vector<ClientPhase> clients;
    for (const auto& client : object.at("clients")) clients.push_back(client_phase_from(client));
    auto result = merge_phase(phase_from(object.at("phase")), std::move(clients));
    result.usage = usage_from(object.at("usage"));
    result.usage_system = usage_from(object.at("usage_system"));
    return result;
}

}  // namespace crucible::lab::wire
