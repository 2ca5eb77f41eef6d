#pragma once

#include <cstdint>
#include <optional>

#include "crucible/time.h"

namespace crucible::lab {

/// How far apart the samples of one stretch of time are: as far as the stretch allows for as many
/// of them as are of use, and farther where these would take too much of a processor.
///
/// Each sample falls into an interval of its own. How long the next one is goes by the time that is
/// left and by what samples took on average, never by what the last one took: a moment in which
/// threads do much takes longer to look at, and whoever paused after it would see fewer of them
/// than there are.
class SamplePace {
public:
    /// `interval_min` is above 0, `samples_max` at least 1; all samples of the stretch take at most
    /// `core_share` of one core.
    SamplePace(Duration length, Duration interval_min, std::uint64_t samples_max,
               double core_share) noexcept;

    /// As long as intervals are where samples take little.
    Duration interval() const noexcept { return interval_; }
    /// Length of the next interval, `left` of the stretch being left and `taken` samples having
    /// taken `spent` of processor time. None: there is none left for another one.
    std::optional<Duration> next(Duration left, Duration spent, std::uint64_t taken) const noexcept;

private:
    Duration interval_;
    Duration allowed_;
};

}  // namespace crucible::lab
