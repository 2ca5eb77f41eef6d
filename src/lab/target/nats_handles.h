#pragma once

#include <nats/nats.h>

#include <memory>
#include <string>

#include "crucible/error.h"
#include "lab/target/broker_options.h"

namespace crucible::lab {

template <typename T, void (*Free)(T*)>
struct NatsFree {
    void operator()(T* handle) const noexcept { Free(handle); }
};
template <typename T, void (*Free)(T*)>
using NatsHandle = std::unique_ptr<T, NatsFree<T, Free>>;

using NatsOptions = NatsHandle<natsOptions, natsOptions_Destroy>;
using NatsConnection = NatsHandle<natsConnection, natsConnection_Destroy>;
using NatsSubscription = NatsHandle<natsSubscription, natsSubscription_Destroy>;
using NatsMessage = NatsHandle<natsMsg, natsMsg_Destroy>;
using JetStream = NatsHandle<jsCtx, jsCtx_Destroy>;

/// What the library calls `status`, with what it adds about this thread's last error.
std::string nats_error_text(natsStatus status);

/// For a connection to the server of `broker` that is not made again once it is lost.
Result<NatsOptions> nats_options(const BrokerOptions& broker);

/// Connects with `options`. - Errc::not_found: the host is not known; Errc::closed: nobody answers
/// as a NATS server there; Errc::permission_denied: it wants another user or password.
Result<NatsConnection> nats_connect(const BrokerOptions& broker, natsOptions* options);

/// - Errc::failed: the server has JetStream switched off.
Result<JetStream> nats_jetstream(const BrokerOptions& broker, natsConnection* connection);

}  // namespace crucible::lab
