#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "crucible/daemon_client.h"
#include "crucible/error.h"
#include "runtime/daemon/transport.h"
#include "runtime/route/retry.h"

namespace crucible::runtime {

/// Where the daemon is, as messages name it: its socket or its address.
std::string place_of(const DaemonClientOptions& options);

/// Delays between two tries to connect again: a daemon that restarts is found within milliseconds,
/// one that is away is not beset.
inline constexpr RetryPolicy kReconnecting{.attempts_max = UINT32_MAX,
                                           .base = std::chrono::milliseconds(10),
                                           .cap = std::chrono::seconds(1)};

/// A connection whose handshake with the daemon is done.
struct Connection {
    std::unique_ptr<Transport> transport;
    pid_t daemon_pid = 0;      ///< 0: not known
    std::uint64_t credit = 0;  ///< that the daemon gave, as in protocol::Greeting
};

/// Connects, checks who answers and shakes hands, within `connect_limit`.
/// - the errors of DaemonClient::connect().
Result<Connection> connect_to_daemon(const DaemonClientOptions& options);

/// Asks a daemon about itself (inspect.h) and gives its answer; connecting and asking may take
/// `connect_limit` each.
/// - the errors of connect_to_daemon(). - Errc::invalid_argument: the question is too long.
Result<std::string> ask_daemon(const DaemonClientOptions& options, std::string_view question);

}  // namespace crucible::runtime
