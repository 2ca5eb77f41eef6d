#pragma once

#include "crucible/daemon_client.h"
#include "crucible/error.h"
#include "lab/target/system.h"

namespace crucible::lab {

/// How to reach the running daemon of a daemon: URL with a path: the socket "/run/d.sock", or
/// "//host:port" with the options ca, certificate, key and server_name, or plain=yes.
/// - Errc::invalid_argument.
Result<DaemonClientOptions> daemon_options(const TargetUrl& url);

/// Whether it is one over TCP.
bool is_over_tcp(const TargetUrl& url) noexcept;

}  // namespace crucible::lab
