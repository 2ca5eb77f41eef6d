// MQTT with quality of service 1, through mosquitto.
#include <fmt/format.h>

#include <optional>

#include "daemon_performance/mqtt_wire.h"
#include "daemon_performance/peer.h"
#include "daemon_performance/socket_publisher.h"

namespace crucible::bench {
namespace {

/// The broker's answers to the publisher.
SocketPublisher::Taken count_pubacks(BatchedSocket&, std::string_view bytes) {
    SocketPublisher::Taken taken;
    for (;;) {
        const auto packet = mqtt::next_packet(bytes.substr(taken.bytes));
        if (packet.bytes == 0) return taken;
        taken.bytes += packet.bytes;
        taken.acknowledged += packet.kind == mqtt::Kind::puback ? 1 : 0;
    }
}

SocketPublisher::Taken acknowledge_publications(BatchedSocket& socket, std::string_view bytes) {
    SocketPublisher::Taken taken;
    for (;;) {
        const auto packet = mqtt::next_packet(bytes.substr(taken.bytes));
        if (packet.bytes == 0) break;
        taken.bytes += packet.bytes;
        if (packet.kind != mqtt::Kind::publish) continue;
        socket.write({mqtt::acknowledgement(packet)});
        ++taken.acknowledged;
    }
    socket.flush();
    return taken;
}

/// Each publisher has a topic and a subscriber of its own.
class MosquittoPeer final : public Peer {
public:
    Result<> start() override {
        auto server = mqtt::start_server();
        if (!server) return std::unexpected(server.error());
        server_.emplace(*std::move(server));
        return {};
    }

    Result<std::unique_ptr<Publisher>> connect(std::size_t payload_bytes) override {
        const auto number = ++publishers_;
        const auto topic = fmt::format("s/{}", number);
        auto subscriber = mqtt::connect(server_->port, fmt::format("receiver-{}", number), topic);
        if (!subscriber) return std::unexpected(subscriber.error());
        auto publishing = mqtt::connect(server_->port, fmt::format("publisher-{}", number), "");
        if (!publishing) return std::unexpected(publishing.error());
        auto write = [made = mqtt::publication(topic, std::string(payload_bytes, 'x')),
                      identifier = std::uint16_t{0}](BatchedSocket& socket) mutable {
            if (++identifier == 0) ++identifier;  // 0 is none
            made.bytes[made.identifier_at] = static_cast<char>(identifier >> 8);
            made.bytes[made.identifier_at + 1] = static_cast<char>(identifier & 0xff);
            return socket.write({made.bytes});
        };
        auto publisher = std::make_unique<SocketPublisher>(*publishing, std::move(write));
        publisher->acknowledged_on(*publishing, count_pubacks);
        publisher->acknowledged_on(*subscriber, acknowledge_publications);
        return publisher;
    }

private:
    std::optional<PortServer> server_;
    std::uint32_t publishers_ = 0;
};

}  // namespace

std::unique_ptr<Peer> make_mosquitto_peer() {
    return std::make_unique<MosquittoPeer>();
}

}  // namespace crucible::bench
