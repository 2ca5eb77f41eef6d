#pragma once

#include <span>

#include "crucible/time.h"

namespace crucible::lab::scale {

/// Whether the backlog of an open-loop load moved in one direction for as long as it lasted.
struct Stationarity {
    bool judged = false;  ///< enough samples to tell
    double slope = 0;     ///< events/s by which the backlog grew (what is due and has not ended)
    double ci_low = 0;    ///< 95 %
    double ci_high = 0;
    double floor = 0;  ///< smaller slopes do not matter

    /// More is offered than is done.
    bool growing() const noexcept { return judged && ci_low > 0 && slope > floor; }
    /// What came before the measured load is still being worked off.
    bool draining() const noexcept { return judged && ci_high < 0 && slope < -floor; }
    bool steady() const noexcept { return !growing() && !draining(); }
};

/// A slope below this share of the rate does not make a trial unsteady: it would take a thousand
/// times the trial's length to matter as much as the load itself.
inline constexpr double kSlopeShareMin = 0.001;

/// The slope of `backlog`, a sample in each `interval` under a load of `rate` events/s, with
/// Student's interval over its growth in each of kBacklogBlocks parts of the time. Near capacity a
/// backlog is a random walk, whose steps are independent of each other though its values are not: a
/// regression on the values would find a trend in almost each. Where it is steady the steps cancel
/// each other, and the interval is wider than it has to be. Without a sample at each end of each
/// part nothing is judged.
Stationarity judge_stationarity(std::span<const double> backlog, Duration interval, double rate);
inline constexpr std::size_t kBacklogBlocks = 10;

}  // namespace crucible::lab::scale
