#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "crucible/error.h"
#include "crucible/target.h"

namespace crucible::lab {

/// Opens the client side of `endpoint` (as System::endpoint() gave it to this process) for client
/// number `client`.
/// - Errc::not_found, Errc::permission_denied, Errc::closed: nothing answers there.
Result<std::unique_ptr<Target>> open_target(const std::string& endpoint, std::uint32_t client,
                                            CompletionHandler on_completion);

}  // namespace crucible::lab
