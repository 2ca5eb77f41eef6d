#include "lab/experiment/warmup.h"

#include <algorithm>

#include "lab/stats/mser5.h"

namespace crucible::lab {
namespace {

constexpr std::size_t kPointsMin = 10;

/// From the phase's start to the end of its load; empty where it says nothing about a warm-up.
std::vector<double> course_of(const PhaseResult& phase) {
    if (phase.saturated || phase.clients.empty()) return {};
    if (phase.phase.open_loop() && !phase.phase.pattern->is_steady()) return {};
    const auto& client = phase.clients.front();
    if (client.series_interval <= Duration::zero()) return {};
    const auto points = std::min(
        static_cast<std::size_t>((client.window_start + client.window) / client.series_interval),
        phase.series.size());
    std::vector<double> course;
    for (std::size_t i = 0; i < points; ++i) {
        const auto& point = phase.series[i];
        if (!phase.phase.open_loop()) {
            course.push_back(static_cast<double>(point.handled));
        } else if (point.handled > 0) {
            course.push_back(std::chrono::duration<double>(point.latency_sum).count() /
                             static_cast<double>(point.handled));
        } else {
            return {};
        }
    }
    return course;
}

}  // namespace

std::vector<Duration> warmups_asked(const std::vector<PhaseResult>& phases) {
    std::vector<Duration> asked;
    for (const auto& phase : phases) {
        auto& warmup = asked.emplace_back();
        const auto course = course_of(phase);
        if (course.size() < kPointsMin) continue;
        warmup = static_cast<std::int64_t>(stats::mser5(course).values) *
                 phase.clients.front().series_interval;
    }
    return asked;
}

}  // namespace crucible::lab
