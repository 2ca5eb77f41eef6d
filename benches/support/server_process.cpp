#include "support/server_process.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/clock.h"
#include "runtime/daemon/unix_socket.h"
#include "support/installed_program.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;

constexpr Duration kStartLimit = 20s;
constexpr int kStartPollMs = 5;

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

Result<std::uint16_t> free_port() {
    const base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto address = loopback(0);
    socklen_t size = sizeof address;
    if (!socket ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return std::unexpected(base::errno_error("a free port", errno));
    return ntohs(address.sin_port);
}

}  // namespace

Result<ServerProcess> ServerProcess::start(base::TempDir directory, const Command& command,
                                           const std::function<bool()>& answers) {
    const auto log = directory.path() / "log";
    const auto errors = directory.path() / "errors";
    auto process = base::Process::start({.arguments = command.arguments,
                                         .inherit = command.inherit,
                                         .standard_output = log,
                                         .standard_error = errors,
                                         .cpus = {}});
    if (!process) return std::unexpected(process.error());
    const TimePoint deadline = base::monotonic_now() + kStartLimit;
    while (!answers()) {
        const auto ended = process->poll();
        if (ended || base::monotonic_now() > deadline) {
            return std::unexpected(
                Error{Errc::failed, fmt::format("{} {}: {}{}", command.arguments.front(),
                                                ended ? ended->describe() : "did not come up",
                                                base::read_file(errors).value_or(""),
                                                base::read_file(log).value_or(""))});
        }
        ::poll(nullptr, 0, kStartPollMs);
    }
    return ServerProcess(std::move(directory), *std::move(process));
}

Result<PortServer> PortServer::start(std::string_view program, std::string_view package,
                                     const Arguments& arguments) {
    const auto path = installed_program(program, package);
    if (!path) return std::unexpected(path.error());
    auto directory = base::TempDir::make(program);
    if (!directory) return std::unexpected(directory.error());
    const auto port = free_port();
    if (!port) return std::unexpected(port.error());
    ServerProcess::Command command{.arguments = {*path}};
    for (auto& argument : arguments(directory->path(), *port))
        command.arguments.push_back(std::move(argument));
    auto process = ServerProcess::start(*std::move(directory), command,
                                        [&] { return connect_port(*port).has_value(); });
    if (!process) return std::unexpected(process.error());
    return PortServer{*std::move(process), *port};
}

Result<base::UniqueFd> connect_port(std::uint16_t port) {
    base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto address = loopback(port);
    if (!socket ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return std::unexpected(base::errno_error(fmt::format("127.0.0.1:{}", port), errno));
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return socket;
}

Result<base::UniqueFd> connect_path(const std::filesystem::path& path) {
    const auto address = runtime::unix_address(path);
    if (!address) return std::unexpected(address.error());
    base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0)
        return std::unexpected(base::errno_error(path.native(), errno));
    return socket;
}

}  // namespace crucible::bench
