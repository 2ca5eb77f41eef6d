#pragma once

#include <memory>

#include "crucible/coordinator.h"
#include "runtime/coordinator/coordinator_options.h"

namespace crucible::runtime {

/// The embedded architecture: queues, workers, services and the database handle, all in this
/// process. An event that no service fits is accepted and acknowledged as `rejected`. Destroying it
/// drops events that still wait, but for those whose time has not come: they are acknowledged as
/// `rejected`. drain() first to have them handled; it waits for scheduled ones, too.
/// - the errors of ServiceSet::open() and of reading rules. - Errc::invalid_argument: an option is
/// out of range.
Result<std::unique_ptr<Coordinator>> make_data_coordinator(const CoordinatorOptions& options,
                                                           AcknowledgementHandler on_acknowledged);

/// The same over services that are already open (`options.services` is not used): for programs that
/// add their own.
Result<std::unique_ptr<Coordinator>> make_data_coordinator(const CoordinatorOptions& options,
                                                           std::unique_ptr<ServiceSet> services,
                                                           AcknowledgementHandler on_acknowledged);

}  // namespace crucible::runtime
