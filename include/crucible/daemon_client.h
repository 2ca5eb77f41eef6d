#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "crucible/coordinator.h"
#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible {

/// How a connection over TCP is secured, with TLS 1.3. The files are PEM, and are read anew for
/// each connection.
struct DaemonTlsOptions {
    std::filesystem::path ca;           ///< certificates that vouch for the daemon's
    std::filesystem::path certificate;  ///< this client's, and those between it and its root
    std::filesystem::path key;          ///< of the certificate
    std::string server_name;  ///< what the daemon's certificate is for; empty: the address's host
};

/// How a client reaches its daemon, and what it does when that goes away.
struct DaemonClientOptions {
    std::filesystem::path socket;  ///< of a daemon on this host
    std::string address;           ///< instead, of one over TCP: "host:7420", "[::1]:7420"
    DaemonTlsOptions tls;          ///< for `address`
    bool plain_tcp = false;        ///< no TLS; for loopback addresses alone
    std::vector<uid_t>
        daemon_uids;  ///< users whose daemon on `socket` is trusted besides our own and root
    Duration connect_limit = std::chrono::seconds(5);
    std::size_t send_buffer_bytes_max =
        64u << 20;  ///< unsent events kept while the daemon does not read, or gives no credit
    /// Events and acknowledgements go through memory that client and daemon share, and the socket
    /// only wakes who sleeps: more events for the same CPU. The daemon has to offer it
    /// (shared_memory of [clients]); there is no falling back to the socket, which would be slow in
    /// silence.
    bool shared_memory = false;
    /// How long to look for a daemon again when it has gone away, with growing delays in between;
    /// zero: not at all. A client that reconnects keeps each event until it is acknowledged, at
    /// most send_buffer_bytes_max of them, and publishes those that are not again, in their order.
    /// The daemon knows an event by its id: give each one its own. docs/delivery.md says what that
    /// amounts to.
    Duration reconnect_for = Duration::zero();
};

/// A Coordinator whose work is done by a daemon.
///
/// The destructor does not wait, and closes the connection: what the daemon has read by then is
/// handled, and what it has not may never be, sent or not. Whoever wants to know drains first. That
/// matters most where the daemon takes events slowly: from a client over its `rate_max`, with a
/// full queue, or with more under way than one client may have, for which it gives no credit.
///
/// While it reconnects, publish() takes events as before and drain() waits. A request() that was
/// under way ends with Errc::closed: whether it was handled is not known, and its response cannot
/// be had twice.
class DaemonClient : public Coordinator {
public:
    /// Connects and shakes hands.
    /// - Errc::not_found: no such socket, or nobody listens. - Errc::permission_denied: refused by
    /// mode, peer check or certificate.
    /// - Errc::unsupported: protocol versions differ, or the daemon does not offer shared memory.
    /// - Errc::timeout. - Errc::invalid_argument: options that do not go together, or a file that
    /// cannot be used; the message says which.
    static Result<std::unique_ptr<DaemonClient>> connect(const DaemonClientOptions& options,
                                                         AcknowledgementHandler on_acknowledged);
    /// Process id of the daemon, from the socket's peer credentials; of the last one while
    /// reconnecting. 0: unknown, over TCP.
    virtual pid_t daemon_pid() const noexcept = 0;
};

}  // namespace crucible
