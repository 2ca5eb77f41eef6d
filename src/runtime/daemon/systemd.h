#pragma once

#include <optional>
#include <string_view>

#include "base/file.h"
#include "crucible/error.h"

/// What a service manager and its service tell each other, as sd_notify(3) and sd_listen_fds(3)
/// describe it: two small protocols over the environment, which need no library.
namespace crucible::runtime::systemd {

/// Tells the service manager `state`, e.g. "READY=1"; does nothing when nobody asked to be told
/// ($NOTIFY_SOCKET). - Errc::io, Errc::invalid_argument: it cannot be told.
Result<> notify(std::string_view state);
/// "RELOADING=1" with the time that the protocol wants; to be followed by "READY=1".
Result<> notify_reloading();

/// The listening Unix socket that the service manager opened for this process ($LISTEN_FDS), if it
/// did. Removes the variables, so that no child takes it for its own.
/// - Errc::invalid_argument: there are several, or it is no listening Unix stream socket.
Result<std::optional<base::UniqueFd>> inherited_socket();

}  // namespace crucible::runtime::systemd
