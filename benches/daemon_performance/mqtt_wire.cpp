#include "daemon_performance/mqtt_wire.h"

#include <fmt/format.h>

namespace crucible::bench::mqtt {
namespace {

void append_number(std::string& out, std::size_t number) {
    out += static_cast<char>(number >> 8);
    out += static_cast<char>(number & 0xff);
}

void append_text(std::string& out, std::string_view text) {
    append_number(out, text.size());
    out += text;
}

/// Its bits of seven, the lowest first.
std::string packet(unsigned first, std::string_view body) {
    std::string out(1, static_cast<char>(first));
    std::size_t rest = body.size();
    do {
        const auto digit = static_cast<unsigned>(rest & 0x7f);
        rest >>= 7;
        out += static_cast<char>(rest > 0 ? digit | 0x80 : digit);
    } while (rest > 0);
    return out.append(body);
}

Result<> await(BatchedSocket& socket, Kind kind) {
    for (;;) {
        const auto bytes = socket.read_some();
        if (bytes.empty()) return std::unexpected(Error{Errc::closed, "mosquitto hung up"});
        const auto answer = next_packet(bytes);
        if (answer.bytes == 0) continue;
        const bool taken = answer.kind == kind && answer.body.back() <= 1;
        socket.consume(answer.bytes);
        if (taken) return {};
        return std::unexpected(Error{Errc::failed, "mosquitto refused to connect or subscribe"});
    }
}

}  // namespace

Result<PortServer> start_server() {
    auto directory = base::TempDir::make("mosquitto-config");
    if (!directory) return std::unexpected(directory.error());
    const auto file = directory->path() / "mosquitto.conf";
    return PortServer::start(
        "mosquitto", "mosquitto", [&](const std::filesystem::path&, std::uint16_t port) {
            // Read before it listens. Started as root it would become a user that may not exist.
            (void)base::write_file(file, fmt::format("listener {} 127.0.0.1\n"
                                                     "user root\n"
                                                     "allow_anonymous true\n"
                                                     "persistence false\n"
                                                     "set_tcp_nodelay true\n"
                                                     "max_inflight_messages 0\n"
                                                     "max_queued_messages 0\n"
                                                     "log_type error\n",
                                                     port));
            return std::vector<std::string>{"-c", file};
        });
}

Result<std::shared_ptr<BatchedSocket>> connect(std::uint16_t port, std::string_view client,
                                               std::string_view topic) {
    auto socket = connect_port(port);
    if (!socket) return std::unexpected(socket.error());
    auto connected = std::make_shared<BatchedSocket>(*std::move(socket));
    std::string hello;
    append_text(hello, "MQTT");
    hello += '\4';            // version 3.1.1
    hello += '\2';            // clean session
    append_number(hello, 0);  // no keep-alive
    append_text(hello, client);
    connected->write({packet(0x10, hello)});
    connected->flush();
    if (auto ok = await(*connected, Kind::connack); !ok) return std::unexpected(ok.error());
    if (topic.empty()) return connected;
    std::string subscription;
    append_number(subscription, 1);
    append_text(subscription, topic);
    subscription += '\1';
    connected->write({packet(0x82, subscription)});
    connected->flush();
    if (auto ok = await(*connected, Kind::suback); !ok) return std::unexpected(ok.error());
    return connected;
}

Publication publication(std::string_view topic, std::string_view payload) {
    std::string body;
    append_text(body, topic);
    append_number(body, 0);
    body += payload;
    Publication made{.bytes = packet(0x32, body)};
    made.identifier_at = made.bytes.size() - payload.size() - 2;
    return made;
}

Packet next_packet(std::string_view bytes) {
    std::size_t size = 0;
    for (std::size_t at = 1; at < bytes.size() && at <= 4; ++at) {
        const auto digit = static_cast<unsigned char>(bytes[at]);
        size |= static_cast<std::size_t>(digit & 0x7f) << (7 * (at - 1));
        if ((digit & 0x80) != 0) continue;
        if (bytes.size() < at + 1 + size) return {};
        return {.bytes = at + 1 + size,
                .kind = static_cast<Kind>(static_cast<unsigned char>(bytes[0]) >> 4),
                .body = bytes.substr(at + 1, size)};
    }
    return {};
}

std::string acknowledgement(const Packet& packet) {
    const auto topic = static_cast<std::size_t>(static_cast<unsigned char>(packet.body[0])) << 8 |
                       static_cast<unsigned char>(packet.body[1]);
    std::string out{"\x40\x02"};
    return out.append(packet.body.substr(2 + topic, 2));
}

}  // namespace crucible::bench::mqtt
