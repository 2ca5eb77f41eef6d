#pragma once

#include <memory>

#include "crucible/error.h"
#include "lab/target/broker_options.h"
#include "lab/target/system.h"

namespace crucible::lab {

/// A JetStream stream of a trial's own on a running server, gone with the trial. The server stays.
/// - Errc::failed: the server has no JetStream, or another stream takes the subject; and those of
/// nats_connect().
Result<std::unique_ptr<System>> start_nats_stream(const TargetUrl& url,
                                                  const BrokerOptions& broker);

}  // namespace crucible::lab
