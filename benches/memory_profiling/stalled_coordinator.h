#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "support/options.h"

namespace crucible::bench {

/// First argument of a process that embeds a coordinator and publishes records as fast as it can.
inline constexpr std::string_view kStalledCoordinator = "stalled-coordinator";

/// `<data directory>`: writes a byte to its standard output once its coordinator is open, publishes
/// from the first byte on its standard input to the end of that, waits for the ends of its events
/// and tells them as a line of JSON. Returns the exit code.
int stalled_coordinator(std::span<char* const> words);

/// Such a process while another one holds the lock of its database: its memory, and the end of
/// every event; the values of stopped_consumer_measures().
/// - Errc::failed: it passed its bound, or an event is not accounted for: handled and in the
/// database, failed, or refused with a reason and not there.
Result<std::vector<double>> stalled_coordinator_trial(const Options& options);

}  // namespace crucible::bench
