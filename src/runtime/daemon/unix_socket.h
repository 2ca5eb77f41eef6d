#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <filesystem>
#include <span>

#include "crucible/error.h"

namespace crucible::runtime {

/// The address of a socket file. - Errc::invalid_argument: longer than an address can be.
Result<sockaddr_un> unix_address(const std::filesystem::path& path);

/// Who is at the other end of a connected socket. - Errc::io.
Result<ucred> peer_of(int socket);

/// Whether we talk to `peer`: it runs as our own user, as root, or as one of `allowed`.
bool trusted(const ucred& peer, std::span<const uid_t> allowed = {}) noexcept;

}  // namespace crucible::runtime
