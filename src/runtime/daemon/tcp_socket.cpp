#include "runtime/daemon/tcp_socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <memory>

#include "base/clock.h"
#include "base/text.h"

namespace crucible::runtime {
namespace {

using base::UniqueFd;

constexpr int kNonBlocking = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

struct FreeAddresses {
    void operator()(addrinfo* addresses) const noexcept { ::freeaddrinfo(addresses); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Result<Addresses> look_up(const HostPort& host) {
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const auto port = std::to_string(host.port);
    const int status = ::getaddrinfo(host.host.c_str(), port.c_str(), &hints, &found);
    if (status != 0) {
        return std::unexpected(
            Error{Errc::not_found, fmt::format("{}: {}", host.host, ::gai_strerror(status))});
    }
    return Addresses(found);
}

Result<> connect_by(int socket, const TcpAddress& address, TimePoint deadline) {
    if (::connect(socket, address.get(), address.size()) == 0) return {};
    int failed = errno;
    if (failed == EINPROGRESS || failed == EINTR) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - base::monotonic_now());
        pollfd waiter{.fd = socket, .events = POLLOUT, .revents = 0};
        int ready = 0;
        do {
            ready = ::poll(&waiter, 1,
                           static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 86'400'000)));
        } while (ready < 0 && errno == EINTR);
        if (ready == 0) {
            return std::unexpected(
                Error{Errc::timeout, fmt::format("{}: does not answer", address.text())});
        }
        socklen_t size = sizeof failed;
        ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &failed, &size);
        if (failed == 0) return {};
    }
    if (failed == ECONNREFUSED) {
        return std::unexpected(
            Error{Errc::not_found,
                  fmt::format("{}: nobody listens there; is crucibled running?", address.text())});
    }
    return std::unexpected(base::errno_error(address.text(), failed));
}

}  // namespace

Result<HostPort> parse_host_port(std::string_view text) {
    const auto colon = text.rfind(':');
    HostPort parsed;
    if (colon != std::string_view::npos && colon > 0) {
        auto host = text.substr(0, colon);
        const auto digits = text.substr(colon + 1);
        const bool bracketed = host.starts_with('[') && host.ends_with(']');
        if (bracketed) host = host.substr(1, host.size() - 2);
        const auto [end, status] =
            std::from_chars(digits.data(), digits.data() + digits.size(), parsed.port);
        // More colons without brackets: where the port begins is anybody's guess.
        const bool clear = bracketed || host.find(':') == std::string_view::npos;
        if (status == std::errc{} && end == digits.data() + digits.size() && clear &&
            !host.empty()) {
            parsed.host = host;
            return parsed;
        }
    }
    return std::unexpected(
        Error{Errc::invalid_argument,
              fmt::format("{} must be a host and a port, e.g. 127.0.0.1:7420 or [::1]:7420",
                          base::in_quotes(text))});
}

Result<TcpAddress> TcpAddress::parse(std::string_view text) {
    const auto host = parse_host_port(text);
    if (!host) return std::unexpected(host.error());
    TcpAddress address;
    auto* four = reinterpret_cast<sockaddr_in*>(&address.storage_);
    auto* six = reinterpret_cast<sockaddr_in6*>(&address.storage_);
    if (::inet_pton(AF_INET, host->host.c_str(), &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(host->port);
    } else if (::inet_pton(AF_INET6, host->host.c_str(), &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(host->port);
    } else {
        return std::unexpected(
            Error{Errc::invalid_argument,
                  fmt::format("{} must have the address in numbers, e.g. 0.0.0.0:7420",
                              base::in_quotes(text))});
    }
    return address;
}

TcpAddress::TcpAddress(const sockaddr* address, socklen_t size) noexcept {
    std::memcpy(&storage_, address, std::min<std::size_t>(size, sizeof storage_));
}

Result<TcpAddress> TcpAddress::local(int socket) {
    TcpAddress address;
    socklen_t size = sizeof address.storage_;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address.storage_), &size) != 0)
        return std::unexpected(base::errno_error("address", errno));
    return address;
}

Result<TcpAddress> TcpAddress::peer(int socket) {
    TcpAddress address;
    socklen_t size = sizeof address.storage_;
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address.storage_), &size) != 0)
        return std::unexpected(base::errno_error("peer's address", errno));
    return address;
}

bool TcpAddress::is_loopback() const noexcept {
    if (family() == AF_INET) {
        const auto* four = reinterpret_cast<const sockaddr_in*>(&storage_);
        return (ntohl(four->sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
    }
    const auto* six = reinterpret_cast<const sockaddr_in6*>(&storage_);
    return family() == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

std::uint16_t TcpAddress::port() const noexcept {
    return family() == AF_INET ? ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port)
                               : ntohs(reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_port);
}

std::string TcpAddress::text() const {
    if (family() == AF_INET) return fmt::format("{}:{}", host(), port());
    return fmt::format("[{}]:{}", host(), port());
}

std::string TcpAddress::host() const {
    char host[INET6_ADDRSTRLEN] = {};
    if (family() == AF_INET) {
        ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage_)->sin_addr, host,
                    sizeof host);
    } else {
        ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_addr, host,
                    sizeof host);
    }
    return host;
}

socklen_t TcpAddress::size() const noexcept {
    return family() == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
}

Result<UniqueFd> listen_tcp(const TcpAddress& address) {
    UniqueFd socket(::socket(address.family(), kNonBlocking, 0));
    if (!socket) return std::unexpected(base::errno_error("socket", errno));
    const int on = 1;
    // A daemon that starts again finds connections of the one before.
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket.get(), address.get(), address.size()) == 0 &&
        ::listen(socket.get(), SOMAXCONN) == 0)
        return socket;
    if (errno == EADDRINUSE) {
        return std::unexpected(
            Error{Errc::already_exists,
                  fmt::format("{}: another process is listening there", address.text())});
    }
    return std::unexpected(base::errno_error(address.text(), errno));
}

Result<UniqueFd> connect_tcp(const HostPort& daemon, bool loopback_only, TimePoint deadline) {
    const auto addresses = look_up(daemon);
    if (!addresses) return std::unexpected(addresses.error());
    Error last{Errc::not_found, fmt::format("{}: has no address", daemon.host)};
    for (const addrinfo* each = addresses->get(); each != nullptr; each = each->ai_next) {
        const TcpAddress address(each->ai_addr, each->ai_addrlen);
        if (loopback_only && !address.is_loopback()) {
            last = {Errc::permission_denied,
                    fmt::format("{}: plain TCP is for loopback addresses only; use TLS",
                                address.text())};
            continue;
        }
        UniqueFd socket(::socket(address.family(), kNonBlocking, 0));
        if (!socket) return std::unexpected(base::errno_error("socket", errno));
        auto connected = connect_by(socket.get(), address, deadline);
        if (connected) {
            tune_connection(socket.get());
            return socket;
        }
        last = connected.error();
    }
    return std::unexpected(last);
}

void tune_connection(int socket) noexcept {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // A peer whose machine or network has gone says nothing: it is asked, and given up on after
    // half a minute.
    constexpr int idle_s = 15, between_s = 5, tries = 3, unanswered_ms = 30'000;
    ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &between_s, sizeof between_s);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries);
    ::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_ms, sizeof unanswered_ms);
}

}  // namespace crucible::runtime
