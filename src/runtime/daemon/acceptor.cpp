#include "runtime/daemon/acceptor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "runtime/daemon/unix_socket.h"

namespace crucible::runtime {
namespace {

using base::UniqueFd;

UniqueFd open_spare() {
    return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

Newcomer from_this_host(UniqueFd socket, const std::vector<uid_t>& allowed_uids) {
    const auto peer = peer_of(socket.get());
    Newcomer newcomer;
    newcomer.pid = peer ? peer->pid : 0;
    newcomer.transport =
        make_socket_transport(std::move(socket), peer ? client_of(*peer) : "pid unknown");
    if (!peer || !trusted(*peer, allowed_uids)) {
        newcomer.admitted = std::unexpected(
            Error{Errc::permission_denied, allowed_uids.empty()
                                               ? "only the daemon's own user and root may connect"
                                               : "your user is not among those that may connect"});
    }
    return newcomer;
}

std::unexpected<Error> bad_listen(std::string message) {
    return std::unexpected(Error{Errc::invalid_argument, "[listen] " + std::move(message)});
}

/// What `options` lack for TLS: "tls_key, client_ca".
std::string missing_for_tls(const ListenOptions& options) {
    std::vector<std::string_view> missing;
    if (options.tls_certificate.empty()) missing.push_back("tls_certificate");
    if (options.tls_key.empty()) missing.push_back("tls_key");
    if (options.client_ca.empty()) missing.push_back("client_ca");
    return fmt::format("{}", fmt::join(missing, ", "));
}

bool names_tls_files(const ListenOptions& options) {
    return !options.tls_certificate.empty() || !options.tls_key.empty() ||
           !options.client_ca.empty();
}

}  // namespace

Result<> check_listen(const ListenOptions& options) {
    if (options.tcp.empty()) {
        if (names_tls_files(options) || options.plain_tcp_on_loopback)
            return bad_listen("is of no use without the address to listen on, tcp");
        return {};
    }
    const auto address = TcpAddress::parse(options.tcp);
    if (!address) return bad_listen("tcp: " + address.error().message);
    const auto missing = missing_for_tls(options);
    if (!options.plain_tcp_on_loopback) {
        if (missing.empty()) return {};
        return bad_listen(fmt::format(
            "tcp {}: needs tls_certificate, tls_key and client_ca, and there is no {}; without TLS "
            "it goes on loopback alone, with plain_tcp_on_loopback",
            options.tcp, missing));
    }
    if (names_tls_files(options))
        return bad_listen("either TLS or plain_tcp_on_loopback, not both");
    if (!address->is_loopback()) {
        return bad_listen(fmt::format(
            "tcp {}: plain TCP goes on loopback alone (127.0.0.1, [::1]); elsewhere it needs "
            "tls_certificate, tls_key and client_ca",
            options.tcp));
    }
    return {};
}

Result<std::unique_ptr<Acceptor>> Acceptor::open(const ServerOptions& options) {
    if (auto checked = check_listen(options.listen); !checked)
        return std::unexpected(checked.error());
    // Others than our own user have to be able to knock.
    const mode_t mode = options.clients.allowed_uids.empty() ? 0600 : 0666;
    auto listener = options.inherited_socket >= 0
                        ? Result<Listener>(Listener::adopt(UniqueFd(options.inherited_socket)))
                        : Listener::open(options.socket, mode);
    if (!listener) return std::unexpected(listener.error());
    std::unique_ptr<Acceptor> acceptor(new Acceptor(options, std::move(*listener)));
    if (auto listening = acceptor->listen_over_tcp(); !listening)
        return std::unexpected(listening.error());
    return acceptor;
}

Acceptor::Acceptor(const ServerOptions& options, Listener listener)
    : listen_(options.listen),
      allowed_uids_(options.clients.allowed_uids),
      allowed_names_(options.clients.allowed_names),
      listener_(std::move(listener)),
      spare_(open_spare()) {}

Result<> Acceptor::listen_over_tcp() {
    if (listen_.tcp.empty()) return {};
    if (auto loaded = reload_certificates(); !loaded) return std::unexpected(loaded.error());
    const auto address = TcpAddress::parse(listen_.tcp);
    if (!address) return std::unexpected(address.error());
    auto socket = listen_tcp(*address);
    if (!socket) return std::unexpected(socket.error());
    auto bound = TcpAddress::local(socket->get());
    if (!bound) return std::unexpected(bound.error());
    tcp_ = std::move(*socket);
    tcp_address_ = *bound;
    return {};
}

Result<bool> Acceptor::reload_certificates() {
    if (!names_tls_files(listen_)) return false;
    auto loaded = TlsContext::for_daemon({.certificate = listen_.tls_certificate,
                                          .key = listen_.tls_key,
                                          .client_ca = listen_.client_ca,
                                          .allowed_names = allowed_names_});
    if (!loaded) return std::unexpected(loaded.error());
    const std::lock_guard lock(tls_mutex_);
    tls_ = std::move(*loaded);
    return true;
}

std::vector<int> Acceptor::sockets() const {
    std::vector<int> sockets{listener_.fd()};
    if (tcp_) sockets.push_back(tcp_.get());
    return sockets;
}

std::optional<Newcomer> Acceptor::next(std::size_t socket) {
    const bool over_tcp = socket > 0;
    auto accepted = accept(over_tcp ? tcp_.get() : listener_.fd());
    if (!accepted) return std::nullopt;
    return over_tcp ? secure(std::move(*accepted))
                    : from_this_host(std::move(*accepted), allowed_uids_);
}

std::optional<UniqueFd> Acceptor::accept(int listening) {
    for (;;) {
        UniqueFd socket(::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (socket) return socket;
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno == EMFILE || errno == ENFILE) {
            turn_away(listening);
        } else if (errno != EAGAIN) {
            base::log::error("no client can be accepted",
                             {{"error", base::errno_error("accept", errno).message}});
        }
        return std::nullopt;
    }
}

/// Without this the waiting client would keep the listener readable and the loop spinning.
void Acceptor::turn_away(int listening) {
    if (const auto left_out = turned_away_log_.next(base::monotonic_now())) {
        base::log::error("client turned away",
                         {{"error", "no file descriptor is left"}, {"left_out", *left_out}});
    }
    spare_.reset();
    { const UniqueFd turned_away(::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC)); }
    spare_ = open_spare();
}

std::optional<Newcomer> Acceptor::secure(UniqueFd socket) {
    const auto peer = TcpAddress::peer(socket.get());
    auto address = peer ? peer->text() : std::string("a peer that has gone");
    tune_connection(socket.get());
    std::shared_ptr<const TlsContext> tls;
    {
        const std::lock_guard lock(tls_mutex_);
        tls = tls_;
    }
    Newcomer newcomer;
    if (tls == nullptr) {
        newcomer.transport = make_socket_transport(std::move(socket), std::move(address),
                                                   peer ? peer->host() : std::string());
        return newcomer;
    }
    auto secured = tls->accept(std::move(socket), std::move(address));
    if (!secured) {
        base::log::error("client turned away", {{"error", secured.error().message}});
        return std::nullopt;
    }
    newcomer.transport = std::move(*secured);
    return newcomer;
}

void Acceptor::close() noexcept {
    listener_.close();
    tcp_.reset();
}

}  // namespace crucible::runtime
