#pragma once

#include <cstdint>
#include <memory>

#include "base/planted_fault.h"
#include "crucible/error.h"
#include "lab/target/target.h"

namespace crucible::lab {

/// What `synthetic:` becomes with the option `fault`.
struct FaultyOptions {
    base::FaultPlan fault;
    std::uint64_t workers = 1;    ///< threads in each client process
    std::uint64_t queue_max = 0;  ///< events that may wait; 0: no bound
};

/// A system in the client's own process: threads called worker-0, worker-1, ... take events in the
/// order of their arrival, suffer the fault once for each, and end it. Unlike the rest of
/// `synthetic:` it does real work, so that a real bottleneck can be looked for.
std::unique_ptr<Target> open_faulty(const FaultyOptions& options, CompletionHandler on_completion);

}  // namespace crucible::lab
