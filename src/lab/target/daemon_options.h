#pragma once

#include "crucible/daemon_client.h"
#include "crucible/error.h"
#include "lab/target/system.h"

namespace crucible::lab {

/// How to reach the running daemon of a daemon: URL with a path: the socket "/run/d.sock", over it
/// or with shared_memory=yes, or "//host:port" with the options ca, certificate, key and
/// server_name, or plain=yes.
/// - Errc::invalid_argument.
Result<DaemonClientOptions> daemon_options(const TargetUrl& url);

/// Whether clients are to share memory with the daemon of that daemon: URL.
bool shares_memory(const TargetUrl& url) noexcept;

/// Whether it is one over TCP.
bool is_over_tcp(const TargetUrl& url) noexcept;

}  // namespace crucible::lab
