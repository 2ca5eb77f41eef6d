#pragma once

#include <sys/types.h>

#include <memory>

#include "crucible/error.h"
#include "lab/target/system.h"

namespace crucible::lab {

/// Starts a `crucibled` of our own on a private socket and data directory: the program beside the
/// running executable, or the one that the environment variable CRUCIBLED names.
/// - the errors of start_system().
Result<std::unique_ptr<System>> start_private_daemon(const TargetUrl& url,
                                                     const SystemOptions& options);

/// Connects to a running daemon, once, to say early that it is not there or does not let us in.
/// - the errors of DaemonClient::connect(). Gives its process id; 0 over TCP.
Result<pid_t> reach_daemon(const TargetUrl& url);

/// Takes the daemon that listens on the socket `url.path`; its process is found through the socket
/// and is never stopped. - Errc::not_found, Errc::permission_denied, Errc::timeout.
/// - Errc::unsupported: it does not offer the shared memory that the URL asks for.
Result<std::unique_ptr<System>> use_running_daemon(const TargetUrl& url);

}  // namespace crucible::lab
