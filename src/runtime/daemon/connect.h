#pragma once

#include <sys/types.h>

#include <filesystem>

#include "base/file.h"
#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::runtime {

/// A socket whose handshake with the daemon is done.
struct Connection {
    base::UniqueFd socket;
    pid_t daemon_pid = 0;
};

/// Connects to `socket`, checks who answers and shakes hands, within `limit`.
/// - the errors of DaemonClient::connect().
Result<Connection> connect_to_daemon(const std::filesystem::path& socket, Duration limit);

}  // namespace crucible::runtime
