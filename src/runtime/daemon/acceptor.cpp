#include "runtime/daemon/acceptor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "runtime/daemon/unix_socket.h"

namespace crucible::runtime {
namespace {

using base::UniqueFd;

UniqueFd open_spare() {
    return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

Newcomer from_this_host(UniqueFd socket, const std::vector<uid_t>& allowed_uids) {
    const auto peer = peer_of(socket.get());
    Newcomer newcomer;
    newcomer.pid = peer ? peer->pid : 0;
    newcomer.transport =
        make_socket_transport(std::move(socket), fmt::format("pid {}", newcomer.pid));
    if (!peer || !trusted(*peer, allowed_uids)) {
        newcomer.admitted = std::unexpected(
            Error{Errc::permission_denied, allowed_uids.empty()
                                               ? "only the daemon's own user and root may connect"
                                               : "your user is not among those that may connect"});
    }
    return newcomer;
}

}  // namespace

Result<Acceptor> Acceptor::open(const ServerOptions& options) {
    const auto& allowed = options.clients.allowed_uids;
    if (options.inherited_socket >= 0)
        return Acceptor(Listener::adopt(UniqueFd(options.inherited_socket)), allowed);
    // Others than our own user have to be able to knock.
    auto listener = Listener::open(options.socket, allowed.empty() ? 0600 : 0666);
    if (!listener) return std::unexpected(listener.error());
    return Acceptor(std::move(*listener), allowed);
}

Acceptor::Acceptor(Listener listener, std::vector<uid_t> allowed_uids)
    : listener_(std::move(listener)),
      allowed_uids_(std::move(allowed_uids)),
      spare_(open_spare()) {}

std::vector<int> Acceptor::sockets() const {
    return {listener_.fd()};
}

std::optional<Newcomer> Acceptor::next(std::size_t) {
    const int listening = listener_.fd();
    UniqueFd socket(::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket) return from_this_host(std::move(socket), allowed_uids_);
    if (errno == EMFILE || errno == ENFILE) {
        turn_away(listening);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        spdlog::error("{}", base::errno_error("accept", errno).message);
    }
    return std::nullopt;
}

/// Without this the waiting client would keep the listener readable and the loop spinning.
void Acceptor::turn_away(int socket) {
    spdlog::error("a client was turned away: no file descriptor is left");
    spare_.reset();
    { const UniqueFd turned_away(::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC)); }
    spare_ = open_spare();
}

void Acceptor::close() noexcept {
    listener_.close();
}

}  // namespace crucible::runtime
