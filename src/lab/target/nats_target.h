#pragma once

#include <memory>

#include "crucible/error.h"
#include "lab/target/broker_options.h"
#include "lab/target/target.h"

namespace crucible::lab {

/// A NATS server, through one connection without threads of its own. An event is handled
/// - mode core: when the server has delivered it to a subscription of this client;
/// - mode request: when a responder that others run has replied;
/// - mode jetstream: when the stream has acknowledged to have stored it and a consumer of this
///   client has received and acknowledged it.
Result<std::unique_ptr<Target>> open_nats(const BrokerOptions& broker, std::uint32_t client,
                                          CompletionHandler on_completion);

}  // namespace crucible::lab
