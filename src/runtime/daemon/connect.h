#pragma once

#include <sys/types.h>

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

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
/// `daemon_uids`: users whose daemon is trusted besides our own and root.
Result<Connection> connect_to_daemon(const std::filesystem::path& socket, Duration limit,
                                     std::span<const uid_t> daemon_uids = {});

/// Asks the daemon on `socket` about itself (inspect.h), within `limit`, and gives its answer.
/// - the errors of connect_to_daemon(). - Errc::invalid_argument: the question is too long.
Result<std::string> ask_daemon(const std::filesystem::path& socket, std::string_view question,
                               Duration limit);

}  // namespace crucible::runtime
