#pragma once

#include <memory>

#include "crucible/coordinator.h"
#include "runtime/coordinator/coordinator_options.h"

namespace crucible::runtime {

/// The embedded architecture: queues, workers, services and the database handle, all in this process.
/// - the errors of ServiceSet::open().
Result<std::unique_ptr<Coordinator>> make_data_coordinator(const CoordinatorOptions& options,
                                                           AcknowledgementHandler on_acknowledged);

}  // namespace crucible::runtime
