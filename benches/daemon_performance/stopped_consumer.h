#pragma once

#include <vector>

#include "daemon_performance/options.h"
#include "daemon_performance/rounds.h"

namespace crucible::bench {

/// What stopped_consumer_trial() yields.
std::vector<Measure> stopped_consumer_measures();

/// A service that stands still (SIGSTOP) while a publisher without any limit publishes for it: the
/// daemon's memory, and the end of every event.
/// - Errc::failed: it passed its bound, or an event is not accounted for: handled and in the
/// service's ledger, or refused with a reason and not there.
Result<std::vector<double>> stopped_consumer_trial(const Options& options);

}  // namespace crucible::bench
