#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "crucible/time.h"
#include "runtime/coordinator/coordinator_options.h"
#include "runtime/daemon/external_services.h"

namespace crucible::runtime {

/// Where the daemon listens besides its Unix socket. The files are PEM.
struct ListenOptions {
    std::string tcp;                        ///< "0.0.0.0:7420", "[::]:7420"; empty: nowhere
    std::filesystem::path tls_certificate;  ///< the daemon's, and those between it and its root
    std::filesystem::path tls_key;          ///< of tls_certificate
    std::filesystem::path client_ca;        ///< certificates that vouch for clients'
    bool plain_tcp_on_loopback = false;     ///< no TLS: any user of this host may connect
};

/// What one connection, one client with all of its own, and all of them together, may take.
struct ClientLimits {
    std::vector<uid_t> allowed_uids;  ///< that may connect besides the daemon's own user and root
    /// Names of certificates that may connect over TCP; empty: all that `client_ca` vouches for.
    std::vector<std::string> allowed_names;
    std::size_t clients_max = 10'000;  ///< connected at the same time
    /// Of those, of one client: one process over the Unix socket, one certificate's subject and
    /// key over TLS, one address over plain TCP.
    std::size_t per_client_max = 1'000;
    std::size_t bytes_max = 64u << 20;  ///< of one connection's events being handled; beyond it no
                                        ///< more is read from it
    /// Of each of the two rings of a client that asks for shared memory: a power of two from
    /// 64 KiB to 64 MiB. 0: such clients are turned away.
    std::size_t shared_memory_bytes = 16u << 20;
    Duration handshake_limit = std::chrono::seconds(5);  ///< from connecting to the greeting
    std::optional<base::Rate> rate_max;  ///< one connection's; beyond it no more is read from it
    std::uint64_t rate_burst = 0;  ///< events that may come at once all the same; 0: a second's
    /// How long a client may leave its answers unread while more wait for it; zero: for ever.
    Duration slow_limit = std::chrono::seconds(60);
    Duration idle_limit = Duration::zero();  ///< without events; zero: none. Looked at now and then
};

struct ServerOptions {
    std::filesystem::path socket;
    /// A listening socket to serve instead of making one at `socket`; taken over by open(). -1:
    /// none.
    int inherited_socket = -1;
    ListenOptions listen;
    std::string metrics;  ///< address of the metrics endpoint; empty: none
    ClientLimits clients;
    CoordinatorOptions coordinator;
    ExternalOptions external;
    Duration stop_limit =
        std::chrono::seconds(30);  ///< to finish what was accepted and send its acknowledgements
};

}  // namespace crucible::runtime
