// NATS core: publish and subscribe, and request and reply.
#include <fmt/format.h>

#include <optional>

#include "daemon_performance/nats_wire.h"
#include "daemon_performance/peer.h"
#include "daemon_performance/socket_publisher.h"

namespace crucible::bench {
namespace {

SocketPublisher::Taken count_messages(BatchedSocket&, std::string_view bytes) {
    SocketPublisher::Taken taken;
    for (;;) {
        const auto message = nats::next_message(bytes.substr(taken.bytes));
        if (message.bytes == 0) return taken;
        taken.bytes += message.bytes;
        taken.acknowledged += message.is_message ? 1 : 0;
    }
}

SocketPublisher::Write write_always(std::string message) {
    return
        [message = std::move(message)](BatchedSocket& socket) { return socket.write({message}); };
}

/// Each publisher has a subject and a subscriber of its own: as many pairs of applications.
class NatsCorePeer final : public Peer {
public:
    Result<> start() override {
        auto server = nats::start_server(false);
        if (!server) return std::unexpected(server.error());
        server_.emplace(*std::move(server));
        return {};
    }

    Result<std::unique_ptr<Publisher>> connect(std::size_t payload_bytes) override {
        const auto subject = fmt::format("s.{}", ++publishers_);
        auto subscriber = nats::connect(server_->port, fmt::format("SUB {} 1\r\n", subject));
        if (!subscriber) return std::unexpected(subscriber.error());
        auto publishing = nats::connect(server_->port, "");
        if (!publishing) return std::unexpected(publishing.error());
        auto publisher = std::make_unique<SocketPublisher>(
            *publishing,
            write_always(nats::publication(subject, "", std::string(payload_bytes, 'x'))));
        publisher->acknowledged_on(*subscriber, count_messages);
        return publisher;
    }

private:
    std::optional<PortServer> server_;
    std::uint32_t publishers_ = 0;
};

/// One responder answers all publishers, each of which has an inbox.
class NatsRequestPeer final : public Peer {
public:
    ~NatsRequestPeer() override {
        if (responder_) responder_->close();
    }

    Result<> start() override {
        auto server = nats::start_server(false);
        if (!server) return std::unexpected(server.error());
        server_.emplace(*std::move(server));
        auto responder = nats::connect(server_->port, "SUB s 1\r\n");
        if (!responder) return std::unexpected(responder.error());
        responder_ = *std::move(responder);
        responder_->read_in_thread([this](std::string_view bytes) { return answer(bytes); });
        return {};
    }

    Result<std::unique_ptr<Publisher>> connect(std::size_t payload_bytes) override {
        const auto inbox = fmt::format("inbox.{}", ++publishers_);
        auto connection = nats::connect(server_->port, fmt::format("SUB {} 1\r\n", inbox));
        if (!connection) return std::unexpected(connection.error());
        auto publisher = std::make_unique<SocketPublisher>(
            *connection,
            write_always(nats::publication("s", inbox, std::string(payload_bytes, 'x'))));
        publisher->acknowledged_on(*connection, count_messages);
        return publisher;
    }

private:
    std::size_t answer(std::string_view bytes) {
        std::size_t consumed = 0;
        for (;;) {
            const auto message = nats::next_message(bytes.substr(consumed));
            if (message.bytes == 0) break;
            consumed += message.bytes;
            if (message.is_message) responder_->write({"PUB ", message.reply, " 2\r\nok\r\n"});
        }
        responder_->flush();
        return consumed;
    }

    std::optional<PortServer> server_;
    std::shared_ptr<BatchedSocket> responder_;
    std::uint32_t publishers_ = 0;
};

}  // namespace

std::unique_ptr<Peer> make_nats_core_peer() {
    return std::make_unique<NatsCorePeer>();
}
std::unique_ptr<Peer> make_nats_request_peer() {
    return std::make_unique<NatsRequestPeer>();
}

}  // namespace crucible::bench
