#pragma once

#include <memory>

#include "crucible/coordinator.h"
#include "runtime/service/service_set.h"

namespace crucible::runtime {

/// The smallest thing that could work: finds the service and calls it in the caller's thread (one
/// call per service at a time). No queue, no worker. publish() acknowledges before it returns; an
/// event that no service fits is acknowledged as `rejected`. request() cannot stop a service that
/// takes longer than its limit: it returns Errc::timeout afterwards.
/// - the errors of ServiceSet::open().
Result<std::unique_ptr<Coordinator>> make_simple_request_router(
    const ServiceOptions& options, AcknowledgementHandler on_acknowledged);

/// The same over services that are already open.
std::unique_ptr<Coordinator> make_simple_request_router(std::unique_ptr<ServiceSet> services,
                                                        AcknowledgementHandler on_acknowledged);

}  // namespace crucible::runtime
