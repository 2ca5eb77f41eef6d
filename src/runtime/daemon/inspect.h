#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crucible/time.h"
#include "runtime/coordinator/coordinator_options.h"
#include "runtime/daemon/external_services.h"
#include "runtime/dispatch/exchange.h"

namespace crucible::runtime {

/// One client of the daemon, as people want to see it.
struct ClientReport {
    std::uint64_t session = 0;
    pid_t pid = 0;                   ///< 0: not known
    std::string peer;                ///< "pid 71", or an address with its certificate's subject
    std::string_view medium;         ///< what carries its stream: "socket", "shared memory"
    std::size_t in_flight = 0;       ///< its events being handled
    std::size_t unsent_bytes = 0;    ///< answers that it has not read
    std::uint64_t credit_bytes = 0;  ///< of events that it may still send
    bool blocked = false;            ///< its next event waits for room in the queue
};

/// What the daemon knows of itself, besides its exchange.
struct DaemonReport {
    std::string socket;
    std::string tcp;  ///< "127.0.0.1:7420 (TLS)"; empty: not there
    TimePoint started;
    std::vector<ClientReport> clients;
    std::vector<ExternalReport> external;
};

/// Answers one question about a running daemon; both are JSON, docs/formats/protocol.md has their
/// members. What cannot be answered gets {"error": "…"}. Any text is safe to pass.
std::string answer_question(std::string_view question, Exchange& exchange,
                            const CoordinatorOptions& options, const DaemonReport& daemon);

}  // namespace crucible::runtime
