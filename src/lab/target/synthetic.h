#pragma once

#include <memory>

#include "crucible/error.h"
#include "lab/target/system.h"
#include "lab/target/target.h"

namespace crucible::lab {

/// `synthetic:`, a system whose true answer is a formula: one waiting line for all clients, equal
/// servers (QueueModel), each completion delivered `latency` after its service, by the thread
/// that sends. It does no work on purpose: it checks the instruments, and what it does must be
/// exact whatever else the machine does. Planted besides: failures, losses, duplicates, reorderings
/// and a leak; which events are hit is decided by client, token and seed alone.
Result<std::unique_ptr<System>> start_synthetic(const TargetUrl& url, std::uint64_t seed);

/// The client side of what start_synthetic() gave as endpoint. - the errors of SharedQueue::open().
Result<std::unique_ptr<Target>> open_synthetic(const TargetUrl& endpoint, std::uint32_t client,
                                               CompletionHandler on_completion);

}  // namespace crucible::lab
