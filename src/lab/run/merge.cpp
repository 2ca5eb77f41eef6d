#include "lab/run/merge.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <span>
#include <utility>

namespace crucible::lab {
namespace {

constexpr double kHandledShareMin = 0.97;
constexpr std::size_t kSamplesMin = 6;

template <typename Part>
void add_each(std::vector<Part>& sums, const std::vector<Part>& parts) {
    if (sums.size() < parts.size()) sums.resize(parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i) sums[i] += parts[i];
}

double mean(std::span<const double> values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

std::vector<double> backlog_in_window(const std::vector<ClientPhase>& clients) {
    if (clients.empty()) return {};
    std::size_t first = 0;
    std::size_t end = SIZE_MAX;
    for (const auto& client : clients) {
        const auto index = [](Duration time) {
            return static_cast<std::size_t>((time + kBacklogInterval - Duration(1)) /
                                            kBacklogInterval);
        };
        first = std::max(first, index(client.window_start));
        end = std::min({end, index(client.window_start + client.window), client.backlog.size()});
    }
    std::vector<double> sums;
    for (std::size_t i = first; i < end; ++i) {
        double sum = 0;
        for (const auto& client : clients) sum += static_cast<double>(client.backlog[i]);
        sums.push_back(sum);
    }
    return sums;
}

Saturation judge_saturation(const Phase& phase, const std::vector<ClientPhase>& clients) {
    Saturation result;
    for (const auto& client : clients) {
        result.due += client.due_in_window;
        result.completed += client.completed_in_window;
    }
    // With a rate that changes the backlog follows it: what grows at the end of a ramp says nothing
    // about any one rate.
    if (!phase.open_loop() || !phase.pattern->is_steady() || clients.empty()) return result;
    const auto backlog = backlog_in_window(clients);
    if (backlog.size() < kSamplesMin) return result;
    result.judged = true;
    const std::span all(backlog);
    const std::size_t third = all.size() / 3;
    result.first_third = mean(all.first(third));
    result.middle_third = mean(all.subspan(third, all.size() - 2 * third));
    result.last_third = mean(all.last(third));

    const auto due = static_cast<double>(result.due);
    const auto completed = static_cast<double>(result.completed);
    const double shortfall = due - completed;
    const double growth = result.last_third - result.first_third;
    result.saturated = completed < kHandledShareMin * due && 1.5 * growth >= 0.5 * shortfall &&
                       result.middle_third - result.first_third >= 0.25 * growth;
    return result;
}

PhaseResult merge_phase(const Phase& phase, std::vector<ClientPhase> clients) {
    PhaseResult result;
    result.phase = phase;
    std::uint64_t payload_bytes = 0;
    for (auto& client : clients) {
        result.delivery += client.delivery;
        result.latency.merge(std::exchange(client.latency, {}));
        result.service_time.merge(std::exchange(client.service_time, {}));
        result.lateness.merge(std::exchange(client.lateness, {}));
        result.own_lateness.merge(std::exchange(client.own_lateness, {}));
        add_each(result.segments, std::exchange(client.segments, {}));
        add_each(result.series, std::exchange(client.series, {}));
        add_each(result.latency_series, std::exchange(client.latency_series, {}));
        result.completed += client.completed;
        for (std::size_t i = 0; i < kFaultCount; ++i) result.faults[i] += client.faults[i];
        payload_bytes += client.payload_bytes;
        if (client.window > Duration::zero()) {
            result.throughput += static_cast<double>(client.completed_in_window) /
                                 std::chrono::duration<double>(client.window).count();
        }
    }
    if (result.delivery.sent > 0) {
        result.payload_throughput = result.throughput * static_cast<double>(payload_bytes) /
                                    static_cast<double>(result.delivery.sent);
    }
    result.saturated = judge_saturation(phase, clients).saturated;
    result.clients = std::move(clients);
    return result;
}

}  // namespace crucible::lab
