#include "daemon_performance/redis_wire.h"

#include <fmt/format.h>

#include <charconv>

namespace crucible::bench::redis {

Result<PortServer> start_server() {
    return PortServer::start("redis-server", "redis-server",
                             [](const std::filesystem::path& directory, std::uint16_t port) {
                                 return std::vector<std::string>{
                                     "--bind",       "127.0.0.1", "--port", fmt::to_string(port),
                                     "--dir",        directory,   "--save", "",
                                     "--appendonly", "no"};
                             });
}

std::string bulk(std::string_view text) {
    return fmt::format("${}\r\n{}\r\n", text.size(), text);
}

std::string command(std::initializer_list<std::string_view> words) {
    std::string text = fmt::format("*{}\r\n", words.size());
    for (const auto word : words) text += bulk(word);
    return text;
}

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

Result<std::shared_ptr<BatchedSocket>> connect(std::uint16_t port, std::string_view commands,
                                               char kind) {
    auto socket = connect_port(port);
    if (!socket) return std::unexpected(socket.error());
    auto connected = std::make_shared<BatchedSocket>(*std::move(socket));
    connected->write({commands});
    connected->flush();
    std::vector<std::string_view> found;
    for (;;) {
        const auto bytes = connected->read_some();
        if (bytes.empty()) return std::unexpected(Error{Errc::closed, "redis-server hung up"});
        const auto whole = read_value(bytes, 0, found);
        if (!whole) continue;
        if (bytes[0] != kind) {
            return std::unexpected(
                Error{Errc::failed, fmt::format("redis-server: {}", bytes.substr(0, *whole - 2))});
        }
        connected->consume(*whole);
        return connected;
    }
}

Result<std::shared_ptr<BatchedSocket>> connect_silent(std::uint16_t port) {
    return connect(port, command({"PING"}) + command({"CLIENT", "REPLY", "OFF"}), '+');
}

}  // namespace crucible::bench::redis
