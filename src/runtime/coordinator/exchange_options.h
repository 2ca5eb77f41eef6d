#pragma once

#include "crucible/error.h"
#include "runtime/coordinator/coordinator_options.h"
#include "runtime/dispatch/dispatcher.h"

namespace crucible::runtime {

/// The part of `options` that the dispatcher needs. - Errc::invalid_argument: one is 0; the message
/// names it.
Result<DispatcherOptions> dispatcher_options(const CoordinatorOptions& options);

}  // namespace crucible::runtime
