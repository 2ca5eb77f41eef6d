#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>

#include "daemon_performance/batched_socket.h"
#include "daemon_performance/peer.h"
#include "daemon_performance/server_process.h"

namespace crucible::bench {
namespace {

Result<ServerProcess> start_redis() {
    return ServerProcess::start("redis", [](const std::string& directory, std::uint16_t port) {
        return std::vector<std::string>{"/usr/bin/redis-server",
                                        "--bind",
                                        "127.0.0.1",
                                        "--port",
                                        fmt::to_string(port),
                                        "--dir",
                                        directory,
                                        "--save",
                                        "",
                                        "--appendonly",
                                        "no"};
    });
}

Result<std::unique_ptr<BatchedSocket>> connect(std::uint16_t port) {
    auto socket = connect_loopback(port);
    if (!socket) return std::unexpected(socket.error());
    return std::make_unique<BatchedSocket>(*std::move(socket));
}

std::string bulk(std::string_view text) {
    return fmt::format("${}\r\n{}\r\n", text.size(), text);
}

std::string command(std::initializer_list<std::string_view> words) {
    std::string text = fmt::format("*{}\r\n", words.size());
    for (const auto word : words) text += bulk(word);
    return text;
}

/// One value of the protocol at the front of `bytes`: its size, or nothing while it is not whole.
/// Bulk strings at `depth` nested arrays go to `found`.
std::optional<std::size_t> read_value(std::string_view bytes, int depth,
                                      std::vector<std::string_view>& found) {
    const auto line_end = bytes.find("\r\n");
    if (bytes.empty() || line_end == std::string_view::npos) return std::nullopt;
    std::size_t at = line_end + 2;
    const char kind = bytes[0];
    if (kind != '*' && kind != '$') return at;
    long count = 0;
    std::from_chars(bytes.data() + 1, bytes.data() + line_end, count);
    if (count < 0) return at;
    if (kind == '$') {
        const auto size = static_cast<std::size_t>(count);
        if (bytes.size() < at + size + 2) return std::nullopt;
        if (depth == 0) found.push_back(bytes.substr(at, size));
        return at + size + 2;
    }
    for (long i = 0; i < count; ++i) {
        const auto part = read_value(bytes.substr(at), depth - 1, found);
        if (!part) return std::nullopt;
        at += *part;
    }
    return at;
}

std::size_t skip_lines(std::string_view bytes) {
    const auto last = bytes.rfind('\n');
    return last == std::string_view::npos ? 0 : last + 1;
}

class RedisPubsubPeer final : public Peer {
public:
    ~RedisPubsubPeer() override { RedisPubsubPeer::stop(); }
    std::string_view name() const noexcept override { return "redis pub/sub"; }
    std::string_view acknowledged_means() const noexcept override {
        return "delivered to the subscriber";
    }

    Result<> start(std::size_t payload_bytes) override {
        auto server = start_redis();
        if (!server) return std::unexpected(server.error());
        server_.emplace(*std::move(server));
        const std::string payload(payload_bytes, 'x');
        auto subscriber = connect(server_->port());
        if (!subscriber) return std::unexpected(subscriber.error());
        subscriber_ = *std::move(subscriber);
        subscriber_->write({command({"SUBSCRIBE", "s"})});
        subscriber_->flush();
        std::vector<std::string_view> names;
        for (;;) {
            const auto bytes = subscriber_->read_some();
            if (bytes.empty()) return std::unexpected(Error{Errc::closed, "redis hung up"});
            if (const auto whole = read_value(bytes, 1, names)) {
                subscriber_->consume(*whole);
                break;
            }
        }
        // All messages are alike, so that counting bytes counts them.
        const std::size_t message = std::string_view("*3\r\n").size() + bulk("message").size() +
                                    bulk("s").size() + bulk(payload).size();
        subscriber_->read_in_thread([this, message](std::string_view bytes) {
            const std::size_t messages = bytes.size() / message;
            add_acknowledged(messages);
            return messages * message;
        });
        auto publisher = connect(server_->port());
        if (!publisher) return std::unexpected(publisher.error());
        publisher_ = *std::move(publisher);
        publisher_->read_in_thread(skip_lines);
        publish_ = command({"PUBLISH", "s", payload});
        return {};
    }
    bool publish() override { return publisher_->write({publish_}); }
    void flush() override { publisher_->flush(); }
    bool round_trip() override {
        const auto before = acknowledged();
        if (!publish() || !publisher_->flush()) return false;
        return await_acknowledged(before);
    }
    void stop() override {
        publisher_.reset();
        subscriber_.reset();
        server_.reset();
    }

private:
    std::optional<ServerProcess> server_;
    std::unique_ptr<BatchedSocket> subscriber_;
    std::unique_ptr<BatchedSocket> publisher_;
    std::string publish_;
};

/// Publisher and a consumer of a group, who acknowledges what it read.
class RedisStreamPeer final : public Peer {
public:
    ~RedisStreamPeer() override { RedisStreamPeer::stop(); }
    std::string_view name() const noexcept override { return "redis stream"; }
    std::string_view acknowledged_means() const noexcept override {
        return "read by the consumer and acknowledged to the server";
    }

    Result<> start(std::size_t payload_bytes) override {
        auto server = start_redis();
        if (!server) return std::unexpected(server.error());
        server_.emplace(*std::move(server));
        auto consumer = connect(server_->port());
        if (!consumer) return std::unexpected(consumer.error());
        consumer_ = *std::move(consumer);
        consumer_->write({command({"XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"}), read_});
        consumer_->flush();
        consumer_->read_in_thread([this](std::string_view bytes) { return take(bytes); });
        auto publisher = connect(server_->port());
        if (!publisher) return std::unexpected(publisher.error());
        publisher_ = *std::move(publisher);
        publisher_->read_in_thread(skip_lines);
        add_ = command(
            {"XADD", "s", "MAXLEN", "~", "100000", "*", "p", std::string(payload_bytes, 'x')});
        return {};
    }
    bool publish() override { return publisher_->write({add_}); }
    void flush() override { publisher_->flush(); }
    bool round_trip() override {
        const auto before = acknowledged();
        if (!publish() || !publisher_->flush()) return false;
        return await_acknowledged(before);
    }
    void stop() override {
        publisher_.reset();
        // Its thread asks through the pointer, which reset() empties first.
        if (consumer_) consumer_->close();
        consumer_.reset();
        server_.reset();
    }

private:
    /// Every reply in turn: of what was read the ids are acknowledged and more is asked for.
    std::size_t take(std::string_view bytes) {
        std::size_t consumed = 0;
        for (;;) {
            ids_.clear();
            const auto whole = read_value(bytes.substr(consumed), 4, ids_);
            if (!whole) return consumed;
            const bool number = bytes[consumed] == ':';
            const bool array = bytes[consumed] == '*';
            consumed += *whole;
            if (number) add_acknowledged(unacknowledged_);
            if (!array) continue;
            if (!ids_.empty()) {
                unacknowledged_ = ids_.size();
                std::string acknowledge = fmt::format("*{}\r\n", 3 + ids_.size());
                for (const std::string_view word : {"XACK", "s", "g"}) acknowledge += bulk(word);
                for (const auto id : ids_) acknowledge += bulk(id);
                consumer_->write({acknowledge});
            }
            consumer_->write({read_});
            consumer_->flush();
        }
    }

    const std::string read_ = command(
        {"XREADGROUP", "GROUP", "g", "c", "COUNT", "512", "BLOCK", "1000", "STREAMS", "s", ">"});
    std::optional<ServerProcess> server_;
    std::unique_ptr<BatchedSocket> consumer_;
    std::unique_ptr<BatchedSocket> publisher_;
    std::string add_;
    std::vector<std::string_view> ids_;
    std::size_t unacknowledged_ = 0;
};

}  // namespace

std::unique_ptr<Peer> make_redis_pubsub_peer() {
    return std::make_unique<RedisPubsubPeer>();
}
std::unique_ptr<Peer> make_redis_stream_peer() {
    return std::make_unique<RedisStreamPeer>();
}

}  // namespace crucible::bench
