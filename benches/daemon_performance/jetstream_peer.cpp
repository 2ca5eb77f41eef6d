// NATS JetStream: publish into a stream on disk, and consume from it with acknowledgements.
#include <fmt/format.h>

#include <optional>

#include "daemon_performance/nats_wire.h"
#include "daemon_performance/peer.h"
#include "daemon_performance/socket_publisher.h"

namespace crucible::bench {
namespace {

/// What is kept: more than can be under way, little enough for a disk.
constexpr std::string_view kStream =
    R"({"name":"EVENTS","subjects":["s.*"],"retention":"limits","storage":"file",)"
    R"("discard":"old","max_bytes":536870912,"num_replicas":1})";

/// Asks the server's API; the answer names an error or there is none.
Result<> ask(std::uint16_t port, std::string_view what, std::string_view question) {
    const auto connection = nats::connect(port, "SUB answer 1\r\n");
    if (!connection) return std::unexpected(connection.error());
    auto& socket = **connection;
    socket.write({nats::publication(fmt::format("$JS.API.{}", what), "answer", question)});
    socket.flush();
    for (;;) {
        const auto bytes = socket.read_some();
        if (bytes.empty()) return std::unexpected(Error{Errc::closed, "nats-server hung up"});
        const auto message = nats::next_message(bytes);
        if (message.bytes == 0) continue;
        if (!message.is_message) {
            socket.consume(message.bytes);
            continue;
        }
        if (message.payload.find("\"error\"") == std::string_view::npos) return {};
        return std::unexpected(Error{Errc::failed, fmt::format("{}: {}", what, message.payload)});
    }
}

/// The stream's answers to the publisher.
SocketPublisher::Taken count_stored(BatchedSocket&, std::string_view bytes) {
    SocketPublisher::Taken taken;
    for (;;) {
        const auto message = nats::next_message(bytes.substr(taken.bytes));
        if (message.bytes == 0) return taken;
        taken.bytes += message.bytes;
        // {"stream":"EVENTS","seq":1}
        const bool stored = message.is_message && message.payload.starts_with("{\"stream\"");
        taken.acknowledged += stored ? 1 : 0;
    }
}

SocketPublisher::Taken acknowledge_all(BatchedSocket& socket, std::string_view bytes) {
    SocketPublisher::Taken taken;
    for (;;) {
        const auto message = nats::next_message(bytes.substr(taken.bytes));
        if (message.bytes == 0) break;
        taken.bytes += message.bytes;
        if (!message.is_message) continue;
        socket.write({"PUB ", message.reply, " 4\r\n+ACK\r\n"});
        ++taken.acknowledged;
    }
    socket.flush();
    return taken;
}

/// Each publisher has a subject of the one stream, and a durable push consumer of it.
class JetStreamPeer final : public Peer {
public:
    Result<> start() override {
        auto server = nats::start_server(true);
        if (!server) return std::unexpected(server.error());
        server_.emplace(*std::move(server));
        return ask(server_->port, "STREAM.CREATE.EVENTS", kStream);
    }

    Result<std::unique_ptr<Publisher>> connect(std::size_t payload_bytes) override {
        const auto number = ++publishers_;
        const auto port = server_->port;
        auto consumer = nats::connect(port, fmt::format("SUB d.{} 1\r\n", number));
        if (!consumer) return std::unexpected(consumer.error());
        const auto made =
            ask(port, fmt::format("CONSUMER.DURABLE.CREATE.EVENTS.c{}", number),
                fmt::format(R"({{"stream_name":"EVENTS","config":{{"durable_name":"c{0}",)"
                            R"("deliver_subject":"d.{0}","filter_subject":"s.{0}",)"
                            R"("deliver_policy":"all","ack_policy":"explicit",)"
                            R"("max_ack_pending":-1}}}})",
                            number));
        if (!made) return std::unexpected(made.error());
        const auto inbox = fmt::format("a.{}", number);
        auto publishing = nats::connect(port, fmt::format("SUB {} 1\r\n", inbox));
        if (!publishing) return std::unexpected(publishing.error());
        auto publisher = std::make_unique<SocketPublisher>(
            *publishing, [message = nats::publication(fmt::format("s.{}", number), inbox,
                                                      std::string(payload_bytes, 'x'))](
                             BatchedSocket& socket) { return socket.write({message}); });
        publisher->acknowledged_on(*publishing, count_stored);
        publisher->acknowledged_on(*consumer, acknowledge_all);
        return publisher;
    }

private:
    std::optional<PortServer> server_;
    std::uint32_t publishers_ = 0;
};

}  // namespace

std::unique_ptr<Peer> make_jetstream_peer() {
    return std::make_unique<JetStreamPeer>();
}

}  // namespace crucible::bench
