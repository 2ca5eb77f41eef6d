// Redis: pub/sub, and streams with a consumer group.
#include <fmt/format.h>

#include <optional>

#include "daemon_performance/peer.h"
#include "daemon_performance/redis_wire.h"
#include "daemon_performance/socket_publisher.h"

namespace crucible::bench {
namespace {

/// Entries of a stream that are kept: more than can be under way.
constexpr std::string_view kEntriesKept = "100000";

/// Each publisher has a channel or stream, and a receiver, of its own.
class RedisPeer : public Peer {
public:
    Result<> start() final {
        auto server = redis::start_server();
        if (!server) return std::unexpected(server.error());
        server_.emplace(*std::move(server));
        return {};
    }

    Result<std::unique_ptr<Publisher>> connect(std::size_t payload_bytes) final {
        const auto key = fmt::format("s{}", ++publishers_);
        const std::string payload(payload_bytes, 'x');
        auto receiver = connect_receiver(server_->port, key);
        if (!receiver) return std::unexpected(receiver.error());
        auto publishing = redis::connect_silent(server_->port);
        if (!publishing) return std::unexpected(publishing.error());
        auto publisher = std::make_unique<SocketPublisher>(
            *publishing, [message = publication(key, payload)](BatchedSocket& socket) {
                return socket.write({message});
            });
        publisher->acknowledged_on(*receiver, take_of(key, payload));
        return publisher;
    }

private:
    virtual Result<std::shared_ptr<BatchedSocket>> connect_receiver(std::uint16_t port,
                                                                    std::string_view key) = 0;
    virtual std::string publication(std::string_view key, std::string_view payload) = 0;
    virtual SocketPublisher::Take take_of(std::string_view key, std::string_view payload) = 0;

    std::optional<PortServer> server_;
    std::uint32_t publishers_ = 0;
};

class RedisPubsubPeer final : public RedisPeer {
    Result<std::shared_ptr<BatchedSocket>> connect_receiver(std::uint16_t port,
                                                            std::string_view key) override {
        return redis::connect(port, redis::command({"SUBSCRIBE", key}), '*');
    }
    std::string publication(std::string_view key, std::string_view payload) override {
        return redis::command({"PUBLISH", key, payload});
    }
    SocketPublisher::Take take_of(std::string_view key, std::string_view payload) override {
        // All messages are alike, so that counting bytes counts them.
        const auto size = redis::command({"message", key, payload}).size();
        return [size](BatchedSocket&, std::string_view bytes) {
            const std::size_t messages = bytes.size() / size;
            return SocketPublisher::Taken{messages * size, messages};
        };
    }
};

std::string read_command(std::string_view key) {
    return redis::command(
        {"XREADGROUP", "GROUP", "g", "c", "COUNT", "512", "BLOCK", "1000", "STREAMS", key, ">"});
}

/// A consumer that acknowledges what it has read and asks for more.
class StreamConsumer {
public:
    explicit StreamConsumer(std::string_view key) : key_(key), read_(read_command(key)) {}

    SocketPublisher::Taken operator()(BatchedSocket& socket, std::string_view bytes) {
        SocketPublisher::Taken taken;
        for (;;) {
            ids_.clear();
            const auto rest = bytes.substr(taken.bytes);
            const auto whole = redis::read_value(rest, 4, ids_);
            if (!whole) return taken;
            taken.bytes += *whole;
            if (rest[0] == ':') taken.acknowledged += std::exchange(unacknowledged_, 0);
            if (rest[0] != '*') continue;
            if (!ids_.empty()) {
                unacknowledged_ = ids_.size();
                std::string acknowledge = fmt::format("*{}\r\n", 3 + ids_.size());
                for (const std::string_view word :
                     {std::string_view("XACK"), std::string_view(key_), std::string_view("g")})
                    acknowledge += redis::bulk(word);
                for (const auto id : ids_) acknowledge += redis::bulk(id);
                socket.write({acknowledge});
            }
            socket.write({read_});
            socket.flush();
        }
    }

private:
    std::string key_;
    std::string read_;
    std::vector<std::string_view> ids_;
    std::size_t unacknowledged_ = 0;
};

class RedisStreamPeer final : public RedisPeer {
    Result<std::shared_ptr<BatchedSocket>> connect_receiver(std::uint16_t port,
                                                            std::string_view key) override {
        auto consumer = redis::connect(
            port, redis::command({"XGROUP", "CREATE", key, "g", "$", "MKSTREAM"}), '+');
        if (!consumer) return consumer;
        (*consumer)->write({read_command(key)});
        (*consumer)->flush();
        return consumer;
    }
    std::string publication(std::string_view key, std::string_view payload) override {
        return redis::command({"XADD", key, "MAXLEN", "~", kEntriesKept, "*", "p", payload});
    }
    SocketPublisher::Take take_of(std::string_view key, std::string_view) override {
        return StreamConsumer(key);
    }
};

}  // namespace

std::unique_ptr<Peer> make_redis_pubsub_peer() {
    return std::make_unique<RedisPubsubPeer>();
}
std::unique_ptr<Peer> make_redis_stream_peer() {
    return std::make_unique<RedisStreamPeer>();
}

}  // namespace crucible::bench
