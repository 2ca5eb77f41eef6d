#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon_performance/batched_socket.h"
#include "support/server_process.h"

/// MQTT 3.1.1, as far as the bench needs it.
namespace crucible::bench::mqtt {

enum class Kind : std::uint8_t { connack = 2, publish = 3, puback = 4, suback = 9 };

/// mosquitto without files and without limits on what it queues: it drops, unasked and unsaid, what
/// goes beyond one. - the errors of PortServer::start().
Result<PortServer> start_server();

/// Connects as `client`, and subscribes to `topic` with quality of service 1 unless it is empty.
Result<std::shared_ptr<BatchedSocket>> connect(std::uint16_t port, std::string_view client,
                                               std::string_view topic);

/// A PUBLISH of quality of service 1; its packet identifier is at the offset `identifier_at`.
struct Publication {
    std::string bytes;
    std::size_t identifier_at = 0;
};
Publication publication(std::string_view topic, std::string_view payload);

/// One packet.
struct Packet {
    std::size_t bytes = 0;  ///< of all of it; 0: not whole yet
    Kind kind{};
    std::string_view body;  ///< behind the fixed header
};
/// The first of `bytes`.
Packet next_packet(std::string_view bytes);

/// The PUBACK that answers `packet`, a PUBLISH of quality of service 1.
std::string acknowledgement(const Packet& packet);

}  // namespace crucible::bench::mqtt
