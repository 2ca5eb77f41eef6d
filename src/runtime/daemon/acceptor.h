#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "base/file.h"
#include "crucible/error.h"
#include "runtime/daemon/listener.h"
#include "runtime/daemon/server_options.h"
#include "runtime/daemon/transport.h"

namespace crucible::runtime {

/// A client that has just connected.
struct Newcomer {
    std::unique_ptr<Transport> transport;
    pid_t pid = 0;      ///< its process; 0: not known
    Result<> admitted;  ///< - Errc::permission_denied: it is none of those that may connect
};

/// The daemon's listening sockets, and who may come in through them. Used by the server's I/O
/// thread alone.
class Acceptor {
public:
    /// - the errors of Listener::open().
    static Result<Acceptor> open(const ServerOptions& options);

    /// The sockets to wait on; next() takes their places in this list.
    std::vector<int> sockets() const;

    /// The next client that waits at a socket; nothing when there is none, or it cannot be had,
    /// which is logged.
    std::optional<Newcomer> next(std::size_t socket);

    /// Accepts nobody any more.
    void close() noexcept;

private:
    Acceptor(Listener listener, std::vector<uid_t> allowed_uids);

    void turn_away(int socket);

    Listener listener_;
    std::vector<uid_t> allowed_uids_;
    base::UniqueFd spare_;  ///< given up to accept and refuse a client when no descriptor is left
};

}  // namespace crucible::runtime
