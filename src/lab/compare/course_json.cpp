#include "lab/compare/course_json.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "lab/aggregate/metric.h"
#include "lab/compare/json_parts.h"

namespace crucible::lab {
namespace {

using nlohmann::json;

std::vector<std::uint64_t> total_backlog(const PhaseResult& phase) {
    std::vector<std::uint64_t> total;
    for (const auto& client : phase.clients) {
        total.resize(std::max(total.size(), client.backlog.size()), 0);
        for (std::size_t i = 0; i < client.backlog.size(); ++i) total[i] += client.backlog[i];
    }
    return total;
}

/// The values of `points`, each as `value` sees it.
template <typename Point, typename Value>
json each(const std::vector<Point>& points, Value value) {
    json result = json::array();
    for (const auto& point : points) result.push_back(value(point));
    return result;
}

/// Of latencies kept for less than a second each, whole seconds; `interval` becomes theirs.
std::vector<CoarseHistogram> whole_seconds(const std::vector<CoarseHistogram>& parts,
                                           Duration& interval) {
    const auto together = static_cast<std::size_t>(
        std::max<std::int64_t>(1, Series::kCoarse / std::max(interval, Duration(1))));
    std::vector<CoarseHistogram> seconds((parts.size() + together - 1) / together);
    for (std::size_t i = 0; i < parts.size(); ++i) seconds[i / together] += parts[i];
    interval *= static_cast<std::int64_t>(together);
    return seconds;
}

/// The course of one phase: what was sent and what came back over time.
void add_series(const PhaseResult& phase, json& result) {
    const auto add = [&](std::string_view name, std::string_view unit, Duration interval,
                         json values) {
        result.push_back({{"name", name},
                          {"phase", phase.phase.name},
                          {"unit", unit},
                          {"interval", seconds(interval)},
                          {"values", std::move(values)}});
    };
    add("backlog", "events", kBacklogInterval, total_backlog(phase));
    if (phase.clients.empty()) return;
    const Duration fine = phase.clients.front().series_interval;
    Duration coarse = phase.clients.front().latency_interval;
    const auto latencies = whole_seconds(phase.latency_series, coarse);
    const auto mean = [](const SeriesPoint& point) {
        if (point.handled == 0) return json(nullptr);
        return json(seconds(point.latency_sum) / static_cast<double>(point.handled));
    };
    add("sent", "events", fine, each(phase.series, [](const auto& p) { return p.sent; }));
    add("handled", "events", fine, each(phase.series, [](const auto& p) { return p.handled; }));
    add("refused", "events", fine, each(phase.series, [](const auto& p) { return p.refused; }));
    add("latency_mean", "s", fine, each(phase.series, mean));
    add("latency_max", "s", fine,
        each(phase.series, [](const auto& p) { return seconds(p.latency_max); }));
    if (phase.phase.open_loop()) {
        add("lateness_max", "s", fine,
            each(phase.series, [](const auto& p) { return seconds(p.lateness_max); }));
    }
    for (const auto& [name, p] : {std::pair{"latency_p50", 0.5}, std::pair{"latency_p99", 0.99}}) {
        const auto quantile = [p](const CoarseHistogram& part) {
            return part.count() < quantile_samples_min(p) ? json(nullptr)
                                                          : json(seconds(part.quantile(p)));
        };
        add(name, "s", coarse, each(latencies, quantile));
    }
}

/// Stretch `i` of phase `p`, pooled over the trials.
json segment_json(std::span<const std::vector<PhaseResult>* const> trials, std::size_t p,
                  std::size_t i) {
    const auto& first = (*trials.front())[p];
    const auto& segment = first.phase.pattern->segments()[i];
    SegmentPart pooled;
    bool saturated = false;
    for (const auto* phases : trials) {
        if (p >= phases->size() || i >= (*phases)[p].segments.size()) continue;
        pooled += (*phases)[p].segments[i];
        saturated |= (*phases)[p].saturated;
    }
    json entry = {{"phase", first.phase.name},
                  {"name", segment.name},
                  {"start", seconds(first.phase.pattern->start_of(i))},
                  {"duration", seconds(segment.duration)},
                  {"planned", segment.count_at(segment.duration)},
                  {"sent", pooled.sent},
                  {"handled", pooled.latency.count()}};
    for (const auto& [name, q] : {std::pair{"latency_p50", 0.5}, std::pair{"latency_p99", 0.99}}) {
        const bool known = !saturated && pooled.latency.count() >= quantile_samples_min(q);
        entry[name] = known ? json(seconds(pooled.latency.quantile(q))) : json(nullptr);
    }
    entry["latency_max"] =
        pooled.latency.count() == 0 ? json(nullptr) : json(seconds(pooled.latency.max()));
    return entry;
}

}  // namespace

json series_json(const std::vector<PhaseResult>& phases) {
    json result = json::array();
    for (const auto& phase : phases) add_series(phase, result);
    return result;
}

json segments_json(std::span<const std::vector<PhaseResult>* const> trials) {
    json result = json::array();
    if (trials.empty()) return result;
    for (std::size_t p = 0; p < trials.front()->size(); ++p)
        for (std::size_t i = 0; i < (*trials.front())[p].segments.size(); ++i)
            result.push_back(segment_json(trials, p, i));
    return result;
}

}  // namespace crucible::lab
