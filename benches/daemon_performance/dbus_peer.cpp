// Method calls and their replies over D-Bus, through dbus-broker.
#include <cstring>
#include <optional>

#include "daemon_performance/dbus_broker.h"
#include "daemon_performance/dbus_wire.h"
#include "daemon_performance/peer.h"
#include "daemon_performance/socket_publisher.h"

namespace crucible::bench {
namespace {

constexpr std::string_view kName = "org.crucible.Receiver";

SocketPublisher::Taken count_replies(BatchedSocket&, std::string_view bytes) {
    SocketPublisher::Taken taken;
    for (;;) {
        const auto message = dbus::next_message(bytes.substr(taken.bytes));
        if (message.bytes == 0) return taken;
        taken.bytes += message.bytes;
        taken.acknowledged += message.kind == dbus::Kind::reply ? 1 : 0;
    }
}

/// One receiver replies to all publishers.
class DbusPeer final : public Peer {
public:
    ~DbusPeer() override {
        if (receiver_) receiver_->close();
    }

    Result<> start() override {
        auto broker = dbus::Broker::start();
        if (!broker) return std::unexpected(broker.error());
        broker_.emplace(*std::move(broker));
        auto receiver = dbus::connect(broker_->socket(), kName);
        if (!receiver) return std::unexpected(receiver.error());
        receiver_ = *std::move(receiver);
        receiver_->read_in_thread([this](std::string_view bytes) { return reply(bytes); });
        return {};
    }

    Result<std::unique_ptr<Publisher>> connect(std::size_t payload_bytes) override {
        auto connection = dbus::connect(broker_->socket(), "");
        if (!connection) return std::unexpected(connection.error());
        dbus::Writer body;
        const auto array = body.begin_array(1);
        body.bytes.append(payload_bytes, 'x');
        body.end_array(array);
        auto write = [call = dbus::message({.path = "/receiver",
                                            .interface = kName,
                                            .member = "Publish",
                                            .destination = kName,
                                            .signature = "ay"},
                                           0, body.bytes),
                      serial = std::uint32_t{10}](BatchedSocket& socket) mutable {
            ++serial;
            std::memcpy(call.data() + dbus::kSerialAt, &serial, sizeof serial);
            return socket.write({call});
        };
        auto publisher = std::make_unique<SocketPublisher>(*connection, std::move(write));
        publisher->acknowledged_on(*connection, count_replies);
        return publisher;
    }

private:
    std::size_t reply(std::string_view bytes) {
        std::size_t consumed = 0;
        for (;;) {
            const auto call = dbus::next_message(bytes.substr(consumed));
            if (call.bytes == 0) break;
            consumed += call.bytes;
            if (call.kind != dbus::Kind::call) continue;
            receiver_->write({dbus::message({.kind = dbus::Kind::reply,
                                             .destination = call.sender,
                                             .reply_serial = call.serial},
                                            ++serial_, "")});
        }
        receiver_->flush();
        return consumed;
    }

    std::optional<dbus::Broker> broker_;
    std::shared_ptr<BatchedSocket> receiver_;
    std::uint32_t serial_ = 10;
};

}  // namespace

std::unique_ptr<Peer> make_dbus_peer() {
    return std::make_unique<DbusPeer>();
}

}  // namespace crucible::bench
