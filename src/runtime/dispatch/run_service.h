#pragma once

#include <span>

#include "crucible/service.h"

namespace crucible::runtime {

/// Calls `service.handle()`. An exception that leaves it stops here: every event of the call is
/// then `failed`, since nobody knows which of them became durable.
void run_service(Service& service, std::span<const Event* const> events,
                 std::span<HandleResult> results) noexcept;

/// Calls `service.check()`; an exception is a failure.
CheckResult check_service(Service& service) noexcept;

}  // namespace crucible::runtime
