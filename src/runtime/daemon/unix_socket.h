#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <filesystem>
#include <span>
#include <string>

#include "crucible/error.h"

namespace crucible::runtime {

/// The address of a socket file. - Errc::invalid_argument: longer than an address can be.
Result<sockaddr_un> unix_address(const std::filesystem::path& path);

/// Who is at the other end of a connected socket. - Errc::io.
Result<ucred> peer_of(int socket);

/// Which client `peer` is: its process, "pid 71". One that is not to be seen from here, as in
/// another container, has no number: then its user, "uid 1000".
std::string client_of(const ucred& peer);

/// Whether we talk to `peer`: it runs as our own user, as root, or as one of `allowed`.
bool trusted(const ucred& peer, std::span<const uid_t> allowed = {}) noexcept;

}  // namespace crucible::runtime
