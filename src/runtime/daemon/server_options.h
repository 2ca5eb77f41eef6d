#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "crucible/time.h"
#include "runtime/coordinator/coordinator_options.h"

namespace crucible::runtime {

/// What one client, and all of them together, may take.
struct ClientLimits {
    std::vector<uid_t> allowed_uids;    ///< that may connect besides the daemon's own user and root
    std::size_t clients_max = 10'000;   ///< connected at the same time
    std::size_t bytes_max = 64u << 20;  ///< of one client's events being handled; beyond it no more
                                        ///< is read from it
    Duration handshake_limit = std::chrono::seconds(5);  ///< from connecting to the greeting
    Duration idle_limit = Duration::zero();  ///< without events; zero: none. Looked at now and then
};

struct ServerOptions {
    std::filesystem::path socket;
    /// A listening socket to serve instead of making one at `socket`; taken over by open(). -1:
    /// none.
    int inherited_socket = -1;
    std::string metrics;  ///< address of the metrics endpoint; empty: none
    ClientLimits clients;
    CoordinatorOptions coordinator;
    Duration stop_limit =
        std::chrono::seconds(30);  ///< to finish what was accepted and send its acknowledgements
};

}  // namespace crucible::runtime
