#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file.h"
#include "crucible/error.h"
#include "crucible/time.h"

namespace crucible::runtime {

/// "localhost:7420", "192.0.2.1:7420", "[::1]:7420".
struct HostPort {
    std::string host;  ///< without brackets
    std::uint16_t port = 0;
};

/// - Errc::invalid_argument: no such form.
Result<HostPort> parse_host_port(std::string_view text);

/// The address of a socket's end, of IPv4 or IPv6.
class TcpAddress {
public:
    /// Of a host given by number, not by name. - Errc::invalid_argument.
    static Result<TcpAddress> parse(std::string_view text);
    TcpAddress(const sockaddr* address, socklen_t size) noexcept;
    /// Our end of a socket, or the peer's. - Errc::io.
    static Result<TcpAddress> local(int socket);
    static Result<TcpAddress> peer(int socket);

    /// Whether only this host can reach it.
    bool is_loopback() const noexcept;
    std::uint16_t port() const noexcept;
    /// "127.0.0.1:7420", "[::1]:7420"
    std::string text() const;
    /// "127.0.0.1", "::1"
    std::string host() const;

    const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
    socklen_t size() const noexcept;
    int family() const noexcept { return storage_.ss_family; }

private:
    TcpAddress() = default;

    sockaddr_storage storage_{};
};

/// A non-blocking socket that listens there; port 0: the system chooses. - Errc::already_exists:
/// the address is taken. - Errc::permission_denied, Errc::io.
Result<base::UniqueFd> listen_tcp(const TcpAddress& address);

/// A non-blocking socket connected to the first of the host's addresses that answers. Looking a
/// name up may take longer than `deadline`. `loopback_only`: refuses all others.
/// - Errc::not_found: no such host, or nobody listens there. - Errc::timeout. -
/// Errc::permission_denied: not a loopback address. - Errc::io.
Result<base::UniqueFd> connect_tcp(const HostPort& daemon, bool loopback_only, TimePoint deadline);

/// Sends what is written at once: batches are made above.
void tune_connection(int socket) noexcept;

}  // namespace crucible::runtime
