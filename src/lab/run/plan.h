#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "crucible/error.h"
#include "crucible/time.h"
#include "lab/pace/pacer.h"
#include "lab/pace/schedule.h"
#include "lab/workload/workload.h"

namespace crucible::lab {

/// One stretch of load. Open loop when it has a rate, closed loop ("as fast as acknowledged") when
/// it has not.
struct Phase {
    std::string name;                ///< "steady" or "maximum"
    std::optional<base::Rate> rate;  ///< of all clients together
    Arrivals arrivals = Arrivals::constant;
    std::uint64_t events = 0;  ///< open loop: planned after the warm-up, all clients together
    Duration duration{};  ///< closed loop: how long after the warm-up. Open loop: events / rate
    Duration warmup{};    ///< load before it; in the ledger, not in latencies or throughput
    std::uint32_t window = 16;  ///< closed loop: events in flight per client
};

/// One trial: everything the clients need besides the endpoint.
struct Plan {
    std::uint32_t clients = 4;
    WorkloadSpec workload;
    Pacing pacing = Pacing::precise;
    std::vector<Phase> phases;
    Duration drain_limit = std::chrono::seconds(10);
};

}  // namespace crucible::lab
