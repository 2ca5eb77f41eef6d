#include "daemon_performance/server_process.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>

#include "base/clock.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

}  // namespace

Result<std::uint16_t> ServerProcess::free_port() {
    const base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto address = loopback(0);
    socklen_t size = sizeof address;
    if (!socket ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return std::unexpected(base::errno_error("a free port", errno));
    return ntohs(address.sin_port);
}

Result<base::UniqueFd> connect_loopback(std::uint16_t port) {
    base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto address = loopback(port);
    if (!socket ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return std::unexpected(base::errno_error(fmt::format("127.0.0.1:{}", port), errno));
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return socket;
}

Result<ServerProcess> ServerProcess::start(base::TempDir directory, std::uint16_t port,
                                           std::vector<std::string> arguments) {
    const auto log = directory.path() / "log";
    auto process = base::Process::start({.arguments = std::move(arguments),
                                         .inherit = {},
                                         .standard_output = log,
                                         .standard_error = directory.path() / "errors"});
    if (!process) return std::unexpected(process.error());
    const TimePoint deadline = base::monotonic_now() + 10s;
    while (!connect_loopback(port)) {
        if (process->poll() || base::monotonic_now() > deadline) {
            return std::unexpected(
                Error{Errc::failed, "the server did not come up: " +
                                        base::read_file(directory.path() / "errors").value_or("") +
                                        base::read_file(log).value_or("")});
        }
        ::poll(nullptr, 0, 10);
    }
    return ServerProcess(std::move(directory), port, *std::move(process));
}

}  // namespace crucible::bench
