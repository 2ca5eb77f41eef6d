#pragma once

#include <cstddef>
#include <vector>

#include "support/options.h"
#include "support/rounds.h"

namespace crucible::bench {

/// Limits under which a consumer is stopped.
inline constexpr std::size_t kStoppedQueueBytes = 64u << 20;
inline constexpr std::size_t kStoppedDeadLetterBytes = 8u << 20;
/// What may be resident under these, of a process that has `idle` bytes without events. The limits
/// count the events themselves; lists, the allocator's rounding, buffers of connections and threads
/// come on top.
double stopped_memory_bound(double idle) noexcept;

/// What stopped_consumer_trial() yields.
std::vector<Measure> stopped_consumer_measures();

/// A service that stands still (SIGSTOP) while a publisher without any limit publishes for it: the
/// daemon's memory, and the end of every event.
/// - Errc::failed: it passed its bound, or an event is not accounted for: handled and in the
/// service's ledger, or refused with a reason and not there.
Result<std::vector<double>> stopped_consumer_trial(const Options& options);

}  // namespace crucible::bench
