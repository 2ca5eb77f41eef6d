#pragma once

#include "support/options.h"
#include "support/rounds.h"

namespace crucible::bench {

/// What sampling every thread costs the system that is sampled: pairs of phases with it and without
/// it, each as long as a look at what binds, as fast as acknowledged for the throughput and at a
/// third of that for the latency.
void monitoring_part(const Options& options, Rounds& rounds);

}  // namespace crucible::bench
