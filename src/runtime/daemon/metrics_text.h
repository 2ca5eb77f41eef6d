#pragma once

#include <string>
#include <vector>

#include "runtime/coordinator/coordinator_options.h"
#include "runtime/daemon/client_counts.h"
#include "runtime/daemon/external_services.h"
#include "runtime/dispatch/exchange.h"

namespace crucible::runtime {

/// The daemon's counters in the OpenMetrics 1.0 text format, with its end; docs/guides/daemon.md
/// lists them. `external`: of those instances that are outside.
std::string open_metrics_text(const ExchangeReport& report,
                              const std::vector<InstanceReport>& instances,
                              const CoordinatorOptions& options, const ClientCounts& clients,
                              const std::vector<ExternalReport>& external);

}  // namespace crucible::runtime
