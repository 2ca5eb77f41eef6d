#pragma once

#include <memory>

#include "crucible/daemon_client.h"

namespace crucible::runtime {

/// A client that outlives its connection (DaemonClientOptions::reconnect_for above zero). - the
/// errors of DaemonClient::connect().
Result<std::unique_ptr<DaemonClient>> connect_reconnecting_client(
    const DaemonClientOptions& options, AcknowledgementHandler on_acknowledged);

}  // namespace crucible::runtime
