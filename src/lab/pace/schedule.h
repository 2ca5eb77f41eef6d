#pragma once

#include <cstdint>

#include "crucible/time.h"
#include "lab/pace/arrivals.h"
#include "lab/pace/pattern.h"

namespace crucible::lab {

/// Events of a warm-up of length `warmup` before `pattern`, at its initial rate.
std::uint64_t warmup_events(const Pattern& pattern, Duration warmup) noexcept;
/// Events of `pattern`: its integral, rounded.
std::uint64_t whole_events(const Pattern& pattern) noexcept;

/// When each event of an open-loop plan is due, from the start of the plan: a warm-up at the
/// pattern's initial rate, then the pattern. The plan is global: client k of N sends the indices k,
/// k+N, k+2N, …, so that N changes who sends an event and never when.
class Schedule {
public:
    Schedule(Pattern pattern, Duration warmup, const Arrivals& arrivals, std::uint64_t seed);

    /// Events of the warm-up: the first of the pattern has this index.
    std::uint64_t warmup_events() const noexcept { return warmup_events_; }
    /// When the pattern begins.
    Duration pattern_start() const noexcept { return pattern_start_; }
    const Pattern& pattern() const noexcept { return pattern_; }

    /// Due time of event `index`. A pure function of the constructor's arguments and the index;
    /// never falls as the index rises. Random times are sums of gaps, so asking for rising indices
    /// is cheap and for an earlier one starts over.
    Duration due(std::uint64_t index);

private:
    Duration time_of(double position) const noexcept;

    Pattern pattern_;
    Arrivals arrivals_;
    std::uint64_t seed_;
    std::uint64_t warmup_events_;
    Duration pattern_start_;
    Gaps gaps_;
    std::uint64_t next_index_ = 0;  ///< one above the index asked for last
    double gaps_sum_ = 0;           ///< of the gaps before next_index_, in mean gaps
};

}  // namespace crucible::lab
