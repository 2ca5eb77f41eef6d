#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon_performance/batched_socket.h"
#include "support/server_process.h"

/// NATS' text protocol, as far as the bench needs it.
namespace crucible::bench::nats {

/// - the errors of PortServer::start().
Result<PortServer> start_server(bool jetstream);

/// Connects with `subscriptions` ("SUB s 1\r\n"…), and waits until the server knows them.
Result<std::shared_ptr<BatchedSocket>> connect(std::uint16_t port, std::string_view subscriptions);

/// "PUB <subject> [reply] <bytes>\r\n<payload>\r\n"
std::string publication(std::string_view subject, std::string_view reply, std::string_view payload);

/// One protocol message.
struct Message {
    std::size_t bytes = 0;    ///< of all of it; 0: not whole yet
    bool is_message = false;  ///< MSG; else a PING, an +OK …
    std::string_view reply;
    std::string_view payload;
};
/// The first of `bytes`.
Message next_message(std::string_view bytes);

}  // namespace crucible::bench::nats
