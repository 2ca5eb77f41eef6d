#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "crucible/error.h"
#include "runtime/daemon/listener.h"
#include "runtime/daemon/log_throttle.h"
#include "runtime/daemon/server_options.h"
#include "runtime/daemon/tcp_socket.h"
#include "runtime/daemon/tls.h"
#include "runtime/daemon/transport.h"

namespace crucible::runtime {

/// A client that has just connected.
struct Newcomer {
    std::unique_ptr<Transport> transport;
    pid_t pid = 0;      ///< its process; 0: not known
    Result<> admitted;  ///< - Errc::permission_denied: it is none of those that may connect
};

/// - Errc::invalid_argument: options that do not go together; the message says what is missing.
Result<> check_listen(const ListenOptions& options);

/// The daemon's listening sockets, and who may come in through them. Used by the server's I/O
/// thread alone, but for reload_certificates().
class Acceptor {
public:
    /// - the errors of check_listen(), Listener::open(), listen_tcp() and TlsContext::for_daemon().
    static Result<std::unique_ptr<Acceptor>> open(const ServerOptions& options);

    /// The sockets to wait on; next() takes their places in this list.
    std::vector<int> sockets() const;
    /// The address it listens on over TCP, with the port that was chosen; nothing when it does not.
    const std::optional<TcpAddress>& tcp_address() const noexcept { return tcp_address_; }

    /// The next client that waits at a socket; nothing when there is none, or it cannot be had,
    /// which is logged.
    std::optional<Newcomer> next(std::size_t socket);

    /// From any thread: reads the files of the daemon's TLS again, for connections that come from
    /// now on. An error changes nothing. False: there are none. - the errors of
    /// TlsContext::for_daemon().
    Result<bool> reload_certificates();

    /// Accepts nobody any more.
    void close() noexcept;

private:
    Acceptor(const ServerOptions& options, Listener listener);

    Result<> listen_over_tcp();
    std::optional<base::UniqueFd> accept(int listening);
    void turn_away(int listening);
    std::optional<Newcomer> secure(base::UniqueFd socket);

    const ListenOptions listen_;
    const std::vector<uid_t> allowed_uids_;
    const std::vector<std::string> allowed_names_;
    Listener listener_;
    base::UniqueFd tcp_;
    std::optional<TcpAddress> tcp_address_;
    base::UniqueFd spare_;  ///< given up to accept and refuse a client when no descriptor is left
    LogThrottle turned_away_log_;
    std::mutex tls_mutex_;
    std::shared_ptr<const TlsContext> tls_;  ///< none: plain TCP
};

}  // namespace crucible::runtime
