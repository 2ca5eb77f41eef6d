#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon_performance/batched_socket.h"
#include "support/server_process.h"

/// Redis' protocol (RESP2), as far as the bench needs it.
namespace crucible::bench::redis {

/// Without files: nothing is kept. - the errors of PortServer::start().
Result<PortServer> start_server();

/// A bulk string: "$3\r\nGET\r\n".
std::string bulk(std::string_view text);
std::string command(std::initializer_list<std::string_view> words);

/// One value of the protocol at the front of `bytes`: its size, or nothing while it is not whole.
/// Bulk strings at `depth` nested arrays go to `found`.
std::optional<std::size_t> read_value(std::string_view bytes, int depth,
                                      std::vector<std::string_view>& found);

/// Connects, sends `commands`, and waits for one answer of that kind: '+', ':', '*' or '$'.
/// - Errc::failed: it was another one.
Result<std::shared_ptr<BatchedSocket>> connect(std::uint16_t port, std::string_view commands,
                                               char kind);
/// A connection that gets no answers (CLIENT REPLY OFF).
Result<std::shared_ptr<BatchedSocket>> connect_silent(std::uint16_t port);

}  // namespace crucible::bench::redis
