#pragma once

#include "support/options.h"
#include "support/rounds.h"

namespace crucible::bench {

/// What sampling every thread at 100 Hz costs the system that is sampled: interleaved pairs of
/// trials with it and without it, as fast as acknowledged for the throughput and at half of that
/// for the latency.
void monitoring_part(const Options& options, Rounds& rounds);

}  // namespace crucible::bench
