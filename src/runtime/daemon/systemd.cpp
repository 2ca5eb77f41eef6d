#include "runtime/daemon/systemd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/clock.h"

namespace crucible::runtime::systemd {
namespace {

using base::UniqueFd;

constexpr int kFirstInherited = 3;

std::unexpected<Error> invalid(std::string message) {
    return std::unexpected(Error{Errc::invalid_argument, std::move(message)});
}

std::optional<int> number_in(const char* variable) {
    const char* text = std::getenv(variable);
    if (text == nullptr) return std::nullopt;
    int number = 0;
    const auto* const end = text + std::strlen(text);
    const auto [stopped, status] = std::from_chars(text, end, number);
    if (status != std::errc{} || stopped != end) return std::nullopt;
    return number;
}

int socket_option(int socket, int option) {
    int value = -1;
    socklen_t size = sizeof value;
    ::getsockopt(socket, SOL_SOCKET, option, &value, &size);
    return value;
}

}  // namespace

Result<> notify(std::string_view state) {
    const char* path = std::getenv("NOTIFY_SOCKET");
    if (path == nullptr || *path == '\0') return {};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::size_t size = std::strlen(path);
    if ((*path != '/' && *path != '@') || size >= sizeof address.sun_path)
        return invalid(fmt::format("NOTIFY_SOCKET={}: no address of a Unix socket", path));
    std::memcpy(address.sun_path, path, size);
    if (*path == '@') address.sun_path[0] = '\0';  // a name, not a file
    const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return std::unexpected(base::errno_error("socket", errno));
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
    if (::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address), length) < 0)
        return std::unexpected(base::errno_error(path, errno));
    return {};
}

Result<> notify_reloading() {
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
        base::monotonic_now().time_since_epoch());
    return notify(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.count()));
}

Result<std::optional<UniqueFd>> inherited_socket() {
    const auto process = number_in("LISTEN_PID");
    const auto count = number_in("LISTEN_FDS");
    ::unsetenv("LISTEN_PID");
    ::unsetenv("LISTEN_FDS");
    ::unsetenv("LISTEN_FDNAMES");
    if (process != ::getpid() || count.value_or(0) < 1) return std::nullopt;
    if (*count > 1) return invalid(fmt::format("LISTEN_FDS={}: one socket is expected", *count));
    UniqueFd socket(kFirstInherited);
    if (socket_option(socket.get(), SO_DOMAIN) != AF_UNIX ||
        socket_option(socket.get(), SO_TYPE) != SOCK_STREAM ||
        socket_option(socket.get(), SO_ACCEPTCONN) != 1)
        return invalid("the inherited descriptor is no listening Unix stream socket");
    ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC);
    ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
    return std::optional(std::move(socket));
}

}  // namespace crucible::runtime::systemd
