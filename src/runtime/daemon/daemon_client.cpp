#include "crucible/daemon_client.h"

#include <utility>

#include "runtime/daemon/reconnecting_client.h"
#include "runtime/daemon/socket_client.h"

namespace crucible {

Result<std::unique_ptr<DaemonClient>> DaemonClient::connect(
    const DaemonClientOptions& options, AcknowledgementHandler on_acknowledged) {
    if (options.reconnect_for > Duration::zero())
        return runtime::connect_reconnecting_client(options, std::move(on_acknowledged));
    return runtime::connect_socket_client(options, std::move(on_acknowledged));
}

}  // namespace crucible
