#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "runtime/coordinator/coordinator_options.h"
#include "runtime/dispatch/exchange.h"

namespace crucible::runtime {

/// The daemon's counters in the OpenMetrics 1.0 text format, with its end; docs/guides/daemon.md
/// lists them. `clients`: connected now.
std::string open_metrics_text(const ExchangeReport& report,
                              const std::vector<InstanceReport>& instances,
                              const CoordinatorOptions& options, std::size_t clients);

}  // namespace crucible::runtime
