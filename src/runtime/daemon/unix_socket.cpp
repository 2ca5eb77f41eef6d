#include "runtime/daemon/unix_socket.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "base/file.h"

namespace crucible::runtime {

Result<sockaddr_un> unix_address(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string& name = path.native();
    // The last byte is the terminating zero.
    if (name.empty() || name.size() >= sizeof address.sun_path) {
        return std::unexpected(Error{Errc::invalid_argument,
                                     "socket path '" + name + "' must have 1 to " +
                                         std::to_string(sizeof address.sun_path - 1) + " bytes"});
    }
    name.copy(address.sun_path, name.size());
    return address;
}

Result<ucred> peer_of(int socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return std::unexpected(base::errno_error("peer credentials", errno));
    }
    return peer;
}

std::string client_of(const ucred& peer) {
    return peer.pid > 0 ? "pid " + std::to_string(peer.pid) : "uid " + std::to_string(peer.uid);
}

bool trusted(const ucred& peer, std::span<const uid_t> allowed) noexcept {
    return peer.uid == ::geteuid() || peer.uid == 0 ||
           std::ranges::find(allowed, peer.uid) != allowed.end();
}

}  // namespace crucible::runtime
