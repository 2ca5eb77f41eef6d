#pragma once

#include <memory>

#include "crucible/error.h"
#include "lab/target/system.h"
#include "lab/target/target.h"

namespace crucible::lab {

/// `synthetic:`, a system whose true answer is a formula: one waiting line for all clients,
/// `workers` servers, each event served for exactly `service`, its completion delivered `latency`
/// later. It serves no CPU time on purpose: it checks the instruments, and what it takes must be
/// exact whatever else the machine does.
Result<std::unique_ptr<System>> start_synthetic(const TargetUrl& url);

/// The client side of what start_synthetic() gave as endpoint. - the errors of SharedQueue::open().
Result<std::unique_ptr<Target>> open_synthetic(const TargetUrl& endpoint,
                                               CompletionHandler on_completion);

}  // namespace crucible::lab
