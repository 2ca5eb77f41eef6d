#pragma once

#include <memory>

#include "crucible/error.h"
#include "lab/target/broker_options.h"
#include "lab/target/target.h"

namespace crucible::lab {

/// A Redis server, through two connections without threads: one publishes, one consumes. An event
/// is handled
/// - mode stream: when a consumer group's consumer of this client has read it and Redis has
///   confirmed the acknowledgement (XADD, XREADGROUP, XACK);
/// - mode pubsub: when a subscription of this client has received it.
Result<std::unique_ptr<Target>> open_redis(const BrokerOptions& broker, std::uint32_t client,
                                           CompletionHandler on_completion);

}  // namespace crucible::lab
