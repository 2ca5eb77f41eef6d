#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "daemon_performance/batched_socket.h"
#include "daemon_performance/peer.h"
#include "daemon_performance/server_process.h"

namespace crucible::bench {
namespace {

constexpr std::string_view kHello =
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"bench\"}\r\n";

Result<ServerProcess> start_nats() {
    return ServerProcess::start("nats", [](const std::string& directory, std::uint16_t port) {
        return std::vector<std::string>{
            "/usr/sbin/nats-server", "--addr",      "127.0.0.1", "--port",
            fmt::to_string(port),    "--store_dir", directory};
    });
}

/// What a MSG holds: "MSG <subject> <sid> [reply] <bytes>\r\n<payload>\r\n".
struct Message {
    std::string_view reply;
    std::size_t bytes = 0;  ///< of the whole protocol message; 0: not whole yet
    bool is_message = false;
};

Message next_message(std::string_view bytes) {
    const auto line_end = bytes.find("\r\n");
    if (line_end == std::string_view::npos) return {};
    const auto line = bytes.substr(0, line_end);
    if (!line.starts_with("MSG ")) return {.bytes = line_end + 2};
    const auto size_at = line.rfind(' ') + 1;
    std::size_t payload = 0;
    for (const char digit : line.substr(size_at))
        payload = payload * 10 + static_cast<std::size_t>(digit - '0');
    Message message{.bytes = line_end + 2 + payload + 2, .is_message = true};
    if (bytes.size() < message.bytes) return {};
    // MSG s 1 [reply] 1024: the word before the size, where there are five.
    const auto before_size = line.rfind(' ', size_at - 2);
    if (std::ranges::count(line, ' ') == 4)
        message.reply = line.substr(before_size + 1, size_at - 2 - before_size);
    return message;
}

/// Subscribes, and waits until the server knows.
Result<std::unique_ptr<BatchedSocket>> connect(std::uint16_t port, std::string_view subscribe) {
    auto socket = connect_loopback(port);
    if (!socket) return std::unexpected(socket.error());
    auto connected = std::make_unique<BatchedSocket>(*std::move(socket));
    connected->write({kHello, subscribe, "PING\r\n"});
    connected->flush();
    for (;;) {
        const auto bytes = connected->read_some();
        if (bytes.empty()) return std::unexpected(Error{Errc::closed, "nats-server hung up"});
        const auto pong = bytes.find("PONG\r\n");
        if (pong == std::string_view::npos) continue;
        connected->consume(pong + 6);
        return connected;
    }
}

/// Publisher and subscriber on connections of their own, as two applications.
class NatsPeer final : public Peer {
public:
    ~NatsPeer() override { NatsPeer::stop(); }
    std::string_view name() const noexcept override { return "nats core"; }
    std::string_view acknowledged_means() const noexcept override {
        return "delivered to the subscriber";
    }

    Result<> start(std::size_t payload_bytes) override {
        auto server = start_nats();
        if (!server) return std::unexpected(server.error());
        server_.emplace(*std::move(server));
        auto subscriber = connect(server_->port(), "SUB s 1\r\n");
        if (!subscriber) return std::unexpected(subscriber.error());
        subscriber_ = *std::move(subscriber);
        subscriber_->read_in_thread([this](std::string_view bytes) { return take(bytes); });
        auto publisher = connect(server_->port(), "");
        if (!publisher) return std::unexpected(publisher.error());
        publisher_ = *std::move(publisher);
        message_ =
            fmt::format("PUB s {}\r\n{}\r\n", payload_bytes, std::string(payload_bytes, 'x'));
        return {};
    }
    bool publish() override { return publisher_->write({message_}); }
    void flush() override { publisher_->flush(); }
    bool round_trip() override { return false; }
    void stop() override {
        publisher_.reset();
        subscriber_.reset();
        server_.reset();
    }

private:
    std::size_t take(std::string_view bytes) {
        std::size_t consumed = 0;
        std::uint64_t messages = 0;
        for (;;) {
            const auto message = next_message(bytes.substr(consumed));
            if (message.bytes == 0) break;
            consumed += message.bytes;
            messages += message.is_message ? 1 : 0;
        }
        add_acknowledged(messages);
        return consumed;
    }

    std::optional<ServerProcess> server_;
    std::unique_ptr<BatchedSocket> subscriber_;
    std::unique_ptr<BatchedSocket> publisher_;
    std::string message_;
};

/// One connection asks, another answers.
class NatsRequestPeer final : public Peer {
public:
    ~NatsRequestPeer() override { NatsRequestPeer::stop(); }
    std::string_view name() const noexcept override { return "nats request"; }
    std::string_view acknowledged_means() const noexcept override {
        return "answered by the responder";
    }

    Result<> start(std::size_t payload_bytes) override {
        auto server = start_nats();
        if (!server) return std::unexpected(server.error());
        server_.emplace(*std::move(server));
        auto responder = connect(server_->port(), "SUB s 1\r\n");
        if (!responder) return std::unexpected(responder.error());
        responder_ = *std::move(responder);
        responder_->read_in_thread([this](std::string_view bytes) { return answer(bytes); });
        auto requester = connect(server_->port(), "SUB inbox 1\r\n");
        if (!requester) return std::unexpected(requester.error());
        requester_ = *std::move(requester);
        message_ =
            fmt::format("PUB s inbox {}\r\n{}\r\n", payload_bytes, std::string(payload_bytes, 'x'));
        return {};
    }
    bool publish() override { return false; }
    void flush() override {}
    bool round_trip() override {
        if (!requester_->write({message_}) || !requester_->flush()) return false;
        for (;;) {
            const auto bytes = requester_->read_some();
            if (bytes.empty()) return false;
            const auto message = next_message(bytes);
            if (message.bytes == 0) continue;
            requester_->consume(message.bytes);
            if (!message.is_message) continue;
            add_acknowledged(1);
            return true;
        }
    }
    void stop() override {
        requester_.reset();
        // Its thread answers through the pointer, which reset() empties first.
        if (responder_) responder_->close();
        responder_.reset();
        server_.reset();
    }

private:
    std::size_t answer(std::string_view bytes) {
        std::size_t consumed = 0;
        for (;;) {
            const auto message = next_message(bytes.substr(consumed));
            if (message.bytes == 0) return consumed;
            consumed += message.bytes;
            if (!message.is_message) continue;
            responder_->write({"PUB ", message.reply, " 2\r\nok\r\n"});
            responder_->flush();
        }
    }

    std::optional<ServerProcess> server_;
    std::unique_ptr<BatchedSocket> responder_;
    std::unique_ptr<BatchedSocket> requester_;
    std::string message_;
};

}  // namespace

std::unique_ptr<Peer> make_nats_peer() {
    return std::make_unique<NatsPeer>();
}
std::unique_ptr<Peer> make_nats_request_peer() {
    return std::make_unique<NatsRequestPeer>();
}

}  // namespace crucible::bench
