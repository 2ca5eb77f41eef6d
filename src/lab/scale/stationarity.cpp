#include "lab/scale/stationarity.h"

#include <vector>

#include "lab/stats/student.h"

namespace crucible::lab::scale {

Stationarity judge_stationarity(std::span<const double> backlog, Duration interval, double rate) {
    Stationarity result{.floor = kSlopeShareMin * rate};
    if (backlog.size() <= kBacklogBlocks) return result;
    const double seconds = std::chrono::duration<double>(interval).count();
    std::vector<double> growth;
    const auto sample = [&backlog](std::size_t block) {
        return block * (backlog.size() - 1) / kBacklogBlocks;
    };
    for (std::size_t block = 0; block < kBacklogBlocks; ++block) {
        const std::size_t from = sample(block);
        const std::size_t to = sample(block + 1);
        growth.push_back((backlog[to] - backlog[from]) /
                         (seconds * static_cast<double>(to - from)));
    }
    const auto estimate = stats::mean_interval(growth, 0.95);
    result.judged = estimate.has_value();
    if (!estimate) return result;
    result.slope = estimate->estimate;
    result.ci_low = estimate->interval.low;
    result.ci_high = estimate->interval.high;
    return result;
}

}  // namespace crucible::lab::scale
