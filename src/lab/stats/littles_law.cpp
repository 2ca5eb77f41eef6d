#include "lab/stats/littles_law.h"

#include <algorithm>

#include "base/assert.h"

namespace crucible::lab::stats {

LittlesLaw littles_law(double present_time, double duration, std::uint64_t completions,
                       double mean_time_in_system, std::uint64_t present_at_start,
                       std::uint64_t present_at_end) {
    CRUCIBLE_ASSERT(duration > 0 && completions > 0 && mean_time_in_system > 0);
    constexpr double kClockError = 0.01;
    const auto completed = static_cast<double>(completions);
    LittlesLaw law;
    law.in_system = present_time / duration;
    law.rate = completed / duration;
    law.time_in_system = mean_time_in_system;
    law.gap = law.in_system / (law.rate * law.time_in_system) - 1;
    law.tolerance =
        static_cast<double>(present_at_start + present_at_end) / completed + kClockError;
    return law;
}

LittlesLaw littles_law(std::span<const std::int64_t> arrivals,
                       std::span<const std::int64_t> departures, std::int64_t start,
                       std::int64_t end) {
    CRUCIBLE_ASSERT(arrivals.size() == departures.size() && start < end);
    std::int64_t present_time = 0;
    std::int64_t completed_time = 0;
    std::uint64_t completions = 0;
    std::uint64_t at_start = 0;
    std::uint64_t at_end = 0;
    for (std::size_t i = 0; i < arrivals.size(); ++i) {
        CRUCIBLE_ASSERT(arrivals[i] <= departures[i]);
        const auto inside = std::min(departures[i], end) - std::max(arrivals[i], start);
        present_time += std::max<std::int64_t>(0, inside);
        at_start += arrivals[i] < start && departures[i] >= start ? 1 : 0;
        at_end += arrivals[i] < end && departures[i] >= end ? 1 : 0;
        if (departures[i] < start || departures[i] >= end) continue;
        completed_time += departures[i] - arrivals[i];
        ++completions;
    }
    CRUCIBLE_ASSERT(completions > 0);
    return littles_law(
        static_cast<double>(present_time), static_cast<double>(end - start), completions,
        static_cast<double>(completed_time) / static_cast<double>(completions), at_start, at_end);
}

}  // namespace crucible::lab::stats
