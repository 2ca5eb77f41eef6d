#pragma once

#include <functional>
#include <memory>

#include "crucible/daemon_client.h"

namespace crucible::runtime {

/// A client of one connection: when that ends, so does it. `on_gone`, when given, is called then,
/// from its thread, after the last acknowledgement; it may not destroy the client. - the errors of
/// DaemonClient::connect().
Result<std::unique_ptr<DaemonClient>> connect_socket_client(const DaemonClientOptions& options,
                                                            AcknowledgementHandler on_acknowledged,
                                                            std::function<void()> on_gone = {});

}  // namespace crucible::runtime
