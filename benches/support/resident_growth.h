#pragma once

#include <sys/types.h>

#include <cstddef>
#include <vector>

#include "crucible/error.h"
#include "lab/record/resources.h"
#include "lab/stats/trend.h"

namespace crucible::bench {

/// Of growth, each with a reading.
inline constexpr std::size_t kGrowthSteps = 8;

/// Resident bytes at first, and for each more of what grows.
struct Growth {
    double at_first = 0;
    double each = 0;
};

/// Readings at equal steps up to `most`, and the Theil-Sen slope through them. `grow(count)` makes
/// it so many. - its errors. - Errc::not_found: the process is gone.
template <typename Grow>
Result<Growth> resident_growth(pid_t pid, std::size_t most, Grow grow) {
    std::vector<double> counts;
    std::vector<double> bytes;
    for (std::size_t step = 0; step <= kGrowthSteps; ++step) {
        const std::size_t count = most * step / kGrowthSteps;
        if (auto grown = grow(count); !grown) return std::unexpected(grown.error());
        const auto reading = lab::read_process(pid);
        if (!reading) return std::unexpected(reading.error());
        counts.push_back(static_cast<double>(count));
        bytes.push_back(static_cast<double>(reading->rss_bytes));
    }
    return Growth{bytes.front(), lab::stats::theil_sen_slope(counts, bytes)};
}

}  // namespace crucible::bench
