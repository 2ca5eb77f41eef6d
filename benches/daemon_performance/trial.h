#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "crucible/error.h"
#include "crucible/time.h"
#include "daemon_performance/peer.h"

namespace crucible::bench {

/// Acknowledged events per second of a publisher that always has more to publish, after a warm-up
/// of a fifth of `length`; it waits only where 16 MiB or 16,384 events are under way.
/// - Errc::failed: the connection was lost, events were refused, or nothing came for 20 s.
Result<double> measure_throughput(Publisher& publisher, std::size_t payload_bytes, Duration length);

/// Quantiles of the time from publish to acknowledgement, in seconds.
struct Latency {
    double p50 = 0;
    double p99 = 0;
    double max = 0;
};

/// Of publishers that each have one event under way, in threads of their own where there are
/// several, all their events together; after a warm-up. - as measure_throughput().
Result<Latency> measure_latency(const std::vector<std::unique_ptr<Publisher>>& publishers,
                                Duration length);

}  // namespace crucible::bench
