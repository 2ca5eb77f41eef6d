#include "daemon_performance/nats_wire.h"

#include <fmt/format.h>

#include <algorithm>

namespace crucible::bench::nats {
namespace {

constexpr std::string_view kHello =
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"bench\"}\r\n";
constexpr std::string_view kPong = "PONG\r\n";

}  // namespace

Result<PortServer> start_server(bool jetstream) {
    return PortServer::start(
        "nats-server", "nats-server",
        [=](const std::filesystem::path& directory, std::uint16_t port) {
            std::vector<std::string> arguments{"--addr", "127.0.0.1", "--port",
                                               fmt::to_string(port)};
            if (jetstream)
                arguments.insert(arguments.end(), {"--jetstream", "--store_dir", directory});
            return arguments;
        });
}

Result<std::shared_ptr<BatchedSocket>> connect(std::uint16_t port, std::string_view subscriptions) {
    auto socket = connect_port(port);
    if (!socket) return std::unexpected(socket.error());
    auto connected = std::make_shared<BatchedSocket>(*std::move(socket));
    connected->write({kHello, subscriptions, "PING\r\n"});
    connected->flush();
    for (;;) {
        const auto bytes = connected->read_some();
        if (bytes.empty()) return std::unexpected(Error{Errc::closed, "nats-server hung up"});
        const auto pong = bytes.find(kPong);
        if (pong == std::string_view::npos) continue;
        connected->consume(pong + kPong.size());
        return connected;
    }
}

std::string publication(std::string_view subject, std::string_view reply,
                        std::string_view payload) {
    return fmt::format("PUB {} {}{}{}\r\n{}\r\n", subject, reply, reply.empty() ? "" : " ",
                       payload.size(), payload);
}

Message next_message(std::string_view bytes) {
    const auto line_end = bytes.find("\r\n");
    if (line_end == std::string_view::npos) return {};
    // MSG <subject> <sid> [reply] <bytes>
    const auto line = bytes.substr(0, line_end);
    Message message{.bytes = line_end + 2};
    if (!line.starts_with("MSG ")) return message;
    const auto size_at = line.rfind(' ') + 1;
    std::size_t size = 0;
    for (const char digit : line.substr(size_at))
        size = size * 10 + static_cast<std::size_t>(digit - '0');
    message.bytes += size + 2;
    if (bytes.size() < message.bytes) return {};
    message.is_message = true;
    message.payload = bytes.substr(line_end + 2, size);
    const auto before_size = line.rfind(' ', size_at - 2);
    if (std::ranges::count(line, ' ') == 4)
        message.reply = line.substr(before_size + 1, size_at - 2 - before_size);
    return message;
}

}  // namespace crucible::bench::nats
