#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>

#include "crucible/coordinator.h"

namespace crucible::runtime {

struct DaemonClientOptions {
    std::filesystem::path socket;
    Duration connect_limit = std::chrono::seconds(5);
    std::size_t send_buffer_bytes_max =
        64u << 20;  ///< unsent events kept while the daemon does not read
};

/// A Coordinator whose work is done by the daemon listening on `socket`.
class DaemonClient : public Coordinator {
public:
    /// Connects and shakes hands.
    /// - Errc::not_found: no such socket, or nobody listens. - Errc::permission_denied: refused by
    /// mode or peer check.
    /// - Errc::unsupported: protocol versions differ. - Errc::timeout.
    static Result<std::unique_ptr<DaemonClient>> connect(const DaemonClientOptions& options,
                                                         AcknowledgementHandler on_acknowledged);
    /// Process id of the daemon, from the socket's peer credentials.
    virtual pid_t daemon_pid() const noexcept = 0;
};

}  // namespace crucible::runtime
