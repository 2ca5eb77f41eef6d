#include "lab/http/connection.h"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>

namespace crucible::lab {
namespace {

std::unexpected<Error> closed(std::string message) {
    return std::unexpected(Error{Errc::closed, std::move(message)});
}

std::string errno_text(int error) {
    return std::generic_category().message(error);
}

/// The first error of OpenSSL's queue, which is emptied.
std::string ssl_error_text() {
    const auto code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return "the connection was closed";
    const char* reason = ERR_reason_error_string(code);
    return reason != nullptr ? reason : "unknown error";
}

}  // namespace

Result<ServerAddress> resolve(const std::string& host, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (status != 0) {
        return std::unexpected(
            Error{Errc::not_found, fmt::format("host '{}': {}", host, ::gai_strerror(status))});
    }
    ServerAddress address;
    std::memcpy(&address.address, found->ai_addr, found->ai_addrlen);
    address.length = found->ai_addrlen;
    address.family = found->ai_family;
    ::freeaddrinfo(found);
    return address;
}

Result<SslContext> make_ssl_context(bool verify, const std::string& ca_file) {
    SslContext context(SSL_CTX_new(TLS_client_method()));
    if (!context) return std::unexpected(Error{Errc::failed, "TLS: " + ssl_error_text()});
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_mode(context.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(context.get(), verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_default_verify_paths(context.get());
    if (!ca_file.empty() &&
        SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr) != 1) {
        return std::unexpected(Error{Errc::invalid_argument,
                                     fmt::format("ca file '{}': {}", ca_file, ssl_error_text())});
    }
    return context;
}

Result<> Connection::connect(const ServerAddress& address, SSL_CTX* context,
                             const std::string& host) {
    close();
    socket_ =
        base::UniqueFd(::socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket_) return std::unexpected(base::errno_error("socket", errno));
    const int one = 1;
    ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    // When what is read arrived, however late it is read. Without it, as with TLS, the reader's
    // clock must do.
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
    arrived_.reset();
    if (context != nullptr) {
        ssl_.reset(SSL_new(context));
        SSL_set_fd(ssl_.get(), socket_.get());
        SSL_set_connect_state(ssl_.get());
        if (!host.empty()) {
            in6_addr ignored{};
            const bool is_address = ::inet_pton(AF_INET, host.c_str(), &ignored) == 1 ||
                                    ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
            if (is_address) {
                X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str());
            } else {
                SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
                SSL_set1_host(ssl_.get(), host.c_str());
            }
        }
    }
    const auto* where = reinterpret_cast<const sockaddr*>(&address.address);
    if (::connect(socket_.get(), where, address.length) != 0 && errno != EINPROGRESS) {
        const int error = errno;
        close();
        return closed(errno_text(error));
    }
    state_ = State::connecting;
    wants_write_ = true;
    return {};
}

void Connection::close() noexcept {
    ssl_.reset();
    socket_.reset();
    state_ = State::closed;
    wants_write_ = false;
    ending_ = false;
    unsent_.clear();
    unsent_from_ = 0;
    received_.clear();
    pending_.clear();
    reader_.restart();
}

Connection::Interest Connection::interest() const noexcept {
    return {.read = true, .write = wants_write_};
}

Result<> Connection::advance() {
    if (state_ == State::connecting) {
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) return closed(errno_text(error));
        state_ = ssl_ ? State::greeting : State::open;
        wants_write_ = false;
    }
    if (state_ == State::greeting) {
        if (const auto greeted = greet(); !greeted) return greeted;
    }
    return state_ == State::open ? flush() : Result<>{};
}

Result<> Connection::greet() {
    ERR_clear_error();
    const int status = SSL_connect(ssl_.get());
    if (status == 1) {
        state_ = State::open;
        wants_write_ = false;
        return {};
    }
    switch (SSL_get_error(ssl_.get(), status)) {
        case SSL_ERROR_WANT_READ:
            wants_write_ = false;
            return {};
        case SSL_ERROR_WANT_WRITE:
            wants_write_ = true;
            return {};
        default:
            break;
    }
    const long verified = SSL_get_verify_result(ssl_.get());
    const std::string reason =
        verified != X509_V_OK ? X509_verify_cert_error_string(verified) : ssl_error_text();
    ERR_clear_error();
    return std::unexpected(Error{Errc::permission_denied, "TLS: " + reason});
}

Result<std::size_t> Connection::read_some(char* into, std::size_t size) {
    if (ssl_) {
        ERR_clear_error();
        std::size_t count = 0;
        if (SSL_read_ex(ssl_.get(), into, size, &count) == 1) return count;
        const int error = SSL_get_error(ssl_.get(), 0);
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return std::size_t{0};
        if (error == SSL_ERROR_ZERO_RETURN) return closed("the server closed the connection");
        return closed("TLS: " + ssl_error_text());
    }
    iovec bytes{into, size};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(timespec))> control;
    for (;;) {
        msghdr message{};
        message.msg_iov = &bytes;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const auto count = ::recvmsg(socket_.get(), &message, 0);
        if (count > 0) {
            note_arrival(message);
            return static_cast<std::size_t>(count);
        }
        if (count == 0) return closed("the server closed the connection");
        if (errno == EAGAIN || errno == EWOULDBLOCK) return std::size_t{0};
        if (errno != EINTR) return closed(errno_text(errno));
    }
}

void Connection::note_arrival(const msghdr& message) {
    arrived_.reset();
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_level != SOL_SOCKET ||
        header->cmsg_type != SCM_TIMESTAMPNS)
        return;
    timespec stamp{};
    std::memcpy(&stamp, CMSG_DATA(header), sizeof stamp);
    arrived_ = WallTime(std::chrono::seconds(stamp.tv_sec) + Duration(stamp.tv_nsec));
}

Result<std::size_t> Connection::write_some(std::string_view bytes) {
    if (ssl_) {
        ERR_clear_error();
        std::size_t count = 0;
        if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count) == 1) return count;
        const int error = SSL_get_error(ssl_.get(), 0);
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return std::size_t{0};
        return closed("TLS: " + ssl_error_text());
    }
    for (;;) {
        const auto count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count >= 0) return static_cast<std::size_t>(count);
        if (errno == EAGAIN || errno == EWOULDBLOCK) return std::size_t{0};
        if (errno != EINTR) return closed(errno_text(errno));
    }
}

Result<> Connection::flush() {
    while (unsent_from_ < unsent_.size()) {
        const auto count = write_some(std::string_view(unsent_).substr(unsent_from_));
        if (!count) return std::unexpected(count.error());
        if (*count == 0) break;
        unsent_from_ += *count;
    }
    if (unsent_from_ == unsent_.size()) {
        unsent_.clear();
        unsent_from_ = 0;
    }
    wants_write_ = !unsent_.empty();
    return {};
}

Result<> Connection::send(std::uint64_t token, std::string_view request) {
    pending_.push_back({token, keep_requests_ ? std::string(request) : std::string()});
    if (unsent_.empty()) {
        while (!request.empty()) {
            const auto count = write_some(request);
            if (!count) return std::unexpected(count.error());
            if (*count == 0) break;
            request.remove_prefix(*count);
        }
    }
    unsent_ += request;
    wants_write_ = !unsent_.empty();
    return {};
}

}  // namespace crucible::lab
