#include "runtime/daemon/tls_transport.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace crucible::runtime {
namespace {

struct FreeSsl {
    void operator()(SSL* ssl) const noexcept { ::SSL_free(ssl); }
};
struct FreeBio {
    void operator()(BIO* bio) const noexcept { ::BIO_free(bio); }
};
struct FreeNames {
    void operator()(GENERAL_NAMES* names) const noexcept { ::GENERAL_NAMES_free(names); }
};

/// What OpenSSL reads from and writes to. Its own kind for sockets would raise SIGPIPE, in
/// whosever program we are.
struct Socket {
    base::UniqueFd fd;
    int error = 0;       ///< errno of the last call that failed
    bool ended = false;  ///< the peer sends nothing more
};

int finish(BIO* bio, Socket& socket, ssize_t count, int retry) {
    ::BIO_clear_retry_flags(bio);
    if (count >= 0) return static_cast<int>(count);
    socket.error = errno;
    if (errno == EAGAIN || errno == EINTR) ::BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
    return -1;
}

int read_socket(BIO* bio, char* room, int size) {
    auto& socket = *static_cast<Socket*>(::BIO_get_data(bio));
    const auto count = ::recv(socket.fd.get(), room, static_cast<std::size_t>(size), MSG_DONTWAIT);
    socket.ended = count == 0;
    return finish(bio, socket, count, BIO_FLAGS_READ);
}

int write_socket(BIO* bio, const char* bytes, int size) {
    auto& socket = *static_cast<Socket*>(::BIO_get_data(bio));
    const auto count =
        ::send(socket.fd.get(), bytes, static_cast<std::size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL);
    return finish(bio, socket, count, BIO_FLAGS_WRITE);
}

long control_socket(BIO*, int command, long, void*) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* socket_method() {
    static const BIO_METHOD* const method = [] {
        BIO_METHOD* made = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
        ::BIO_meth_set_read(made, read_socket);
        ::BIO_meth_set_write(made, write_socket);
        ::BIO_meth_set_ctrl(made, control_socket);
        return made;
    }();
    return method;
}

/// "CN=publisher-1,O=Example", with what is not printable escaped.
std::string subject_of(const X509* certificate) {
    const std::unique_ptr<BIO, FreeBio> out(::BIO_new(::BIO_s_mem()));
    ::X509_NAME_print_ex(out.get(), ::X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    char* text = nullptr;
    const long size = ::BIO_get_mem_data(out.get(), &text);
    return {text, size > 0 ? static_cast<std::size_t>(size) : 0};
}

/// The SHA-256 of its public key in hex, as much of it as tells keys apart.
std::string key_of(const X509* certificate) {
    constexpr std::size_t shown_bytes = 16;
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    ::X509_pubkey_digest(certificate, ::EVP_sha256(), digest.data(), nullptr);
    return fmt::format("{:02x}", fmt::join(std::span(digest).first(shown_bytes), ""));
}

bool is_among(const ASN1_STRING* name, const std::vector<std::string>& names) {
    unsigned char* utf8 = nullptr;
    const int size = ::ASN1_STRING_to_UTF8(&utf8, name);
    if (size < 0) return false;
    const std::string_view text(reinterpret_cast<const char*>(utf8),
                                static_cast<std::size_t>(size));
    const bool found = std::ranges::find(names, text) != names.end();
    ::OPENSSL_free(utf8);
    return found;
}

/// Whether a common name, or an alternative DNS name, URI or mail address, is one of `names`.
bool has_one_of(const X509* certificate, const std::vector<std::string>& names) {
    const X509_NAME* subject = ::X509_get_subject_name(certificate);
    for (int at = -1; (at = ::X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) {
        const auto* entry = ::X509_NAME_get_entry(subject, at);
        if (is_among(::X509_NAME_ENTRY_get_data(entry), names)) return true;
    }
    const std::unique_ptr<GENERAL_NAMES, FreeNames> alternatives(static_cast<GENERAL_NAMES*>(
        ::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives.get(), i);
        if ((name->type == GEN_DNS || name->type == GEN_URI || name->type == GEN_EMAIL) &&
            is_among(name->d.ia5, names))
            return true;
    }
    return false;
}

class TlsTransport final : public Transport {
public:
    TlsTransport(std::unique_ptr<SSL, FreeSsl> ssl, base::UniqueFd socket, std::string address,
                 TlsRole role, std::vector<std::string> allowed_names) noexcept
        : ssl_(std::move(ssl)),
          socket_{.fd = std::move(socket)},
          role_(role),
          allowed_names_(std::move(allowed_names)),
          peer_(std::move(address)) {}

    ~TlsTransport() override {
        // As far as it goes without waiting: says that the end is meant.
        if (established_ && !failed_) ::SSL_shutdown(ssl_.get());
        ::ERR_clear_error();
    }

    Result<> begin() {
        BIO* bio = ::BIO_new(socket_method());
        if (bio == nullptr) return std::unexpected(Error{Errc::failed, "TLS: out of memory"});
        ::BIO_set_data(bio, &socket_);
        ::BIO_set_init(bio, 1);
        ::SSL_set_bio(ssl_.get(), bio, bio);
        if (role_ == TlsRole::daemon) {
            ::SSL_set_accept_state(ssl_.get());
        } else {
            ::SSL_set_connect_state(ssl_.get());
        }
        return {};
    }

    Result<std::size_t> read(std::span<std::byte> room) override {
        const std::lock_guard lock(mutex_);
        holds_input_.store(false);
        if (const auto done = shake_hands(); !done || !*done)
            return done ? Result<std::size_t>(0) : std::unexpected(done.error());
        if (refusal_) return std::unexpected(*refusal_);
        std::size_t filled = 0;
        while (filled < room.size()) {
            std::size_t count = 0;
            ::ERR_clear_error();
            const int status =
                ::SSL_read_ex(ssl_.get(), room.data() + filled, room.size() - filled, &count);
            filled += count;
            if (status == 1) continue;
            if (const auto events = awaited(status)) {
                read_events_.store(*events);
                return filled;
            }
            Error error = failure(status, Errc::io);
            if (filled == 0) return std::unexpected(std::move(error));
            break;  // what came before it first
        }
        // All of it is taken, or the next call has an error to tell.
        holds_input_.store(true);
        return filled;
    }

    Result<std::size_t> write(std::span<const std::byte> bytes) override {
        const std::lock_guard lock(mutex_);
        if (const auto done = shake_hands(); !done || !*done)
            return done ? Result<std::size_t>(0) : std::unexpected(done.error());
        std::size_t sent = 0;
        while (sent < bytes.size()) {
            std::size_t count = 0;
            ::ERR_clear_error();
            const int status =
                ::SSL_write_ex(ssl_.get(), bytes.data() + sent, bytes.size() - sent, &count);
            sent += count;
            if (status == 1) continue;
            if (const auto events = awaited(status)) {
                write_events_.store(*events);
                break;
            }
            // What left before it is to be told first. A failure of the socket is not kept: the
            // peer may have said why before it left, and that is still to be read.
            if (sent > 0) break;
            return std::unexpected(failure(status, Errc::closed));
        }
        return sent;
    }

    int fd() const noexcept override { return socket_.fd.get(); }
    std::uint32_t read_events() const noexcept override { return read_events_.load(); }
    std::uint32_t write_events() const noexcept override { return write_events_.load(); }
    bool holds_input() noexcept override { return holds_input_.load(); }
    bool established() const noexcept override { return established_; }
    std::string peer() const override { return peer_; }
    std::string client() const override { return client_.empty() ? peer_ : client_; }

private:
    /// True when it is done.
    Result<bool> shake_hands() {
        if (failed_) return std::unexpected(*failed_);
        if (established_) return true;
        ::ERR_clear_error();
        const int status = ::SSL_do_handshake(ssl_.get());
        if (status != 1) {
            if (const auto events = awaited(status)) {
                read_events_.store(*events);
                write_events_.store(*events);
                return false;
            }
            return std::unexpected(failure(status, Errc::closed));
        }
        established_ = true;
        read_events_.store(EPOLLIN);
        write_events_.store(EPOLLOUT);
        check_peer();
        return true;
    }

    void check_peer() {
        const X509* certificate = ::SSL_get0_peer_certificate(ssl_.get());
        if (certificate == nullptr) return;  // where one is wanted the handshake has failed without
        const std::string subject = subject_of(certificate);
        peer_ += ", " + subject;
        // Not the whole certificate, nor its number: a holder can change how its signature is
        // written, and authorities give a number twice by mistake. These are what was signed.
        client_ = fmt::format("{} (key {})", subject, key_of(certificate));
        if (!allowed_names_.empty() && !has_one_of(certificate, allowed_names_)) {
            refusal_ = Error{Errc::permission_denied,
                             "the names of your certificate are not among those that may connect"};
        }
        allowed_names_.clear();
        allowed_names_.shrink_to_fit();
    }

    /// What to wait for before the call that gave `status` is made again; nothing when it failed.
    std::optional<std::uint32_t> awaited(int status) const {
        switch (::SSL_get_error(ssl_.get(), status)) {
            case SSL_ERROR_WANT_READ:
                return EPOLLIN;
            case SSL_ERROR_WANT_WRITE:
                return EPOLLOUT;
            default:
                return std::nullopt;
        }
    }

    /// Why the call that gave `status` failed. `socket_failed`: the code when the socket did.
    Error failure(int status, Errc socket_failed) {
        const int kind = ::SSL_get_error(ssl_.get(), status);
        if (kind == SSL_ERROR_ZERO_RETURN) return {Errc::closed, {}};
        if (kind == SSL_ERROR_SYSCALL) {
            if (socket_.ended) return {Errc::closed, {}};
            return {socket_failed, fmt::format("receive: {}", std::strerror(socket_.error))};
        }
        failed_ = describe_failure();
        ::ERR_clear_error();  // the thread is somebody else's, who may look at its errors too
        return *failed_;
    }

    Error describe_failure() const {
        const bool daemon = role_ == TlsRole::daemon;
        const char* peer = daemon ? "client" : "daemon";
        const auto error = ::ERR_peek_last_error();
        const int reason = ERR_GET_REASON(error);
        const char* text = ::ERR_reason_error_string(error);
        if (text == nullptr) text = "unknown reason";
        if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
            const long verdict = ::SSL_get_verify_result(ssl_.get());
            return {Errc::permission_denied,
                    fmt::format("TLS: the {}'s certificate is not accepted: {}", peer,
                                ::X509_verify_cert_error_string(verdict))};
        }
        if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
            return {Errc::permission_denied, "TLS: the client showed no certificate"};
        if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_NO_PROTOCOLS_AVAILABLE)
            return {Errc::unsupported, fmt::format("TLS: the {} does not speak TLS 1.3", peer)};
        if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
            reason == SSL_R_HTTPS_PROXY_REQUEST || reason == SSL_R_PACKET_LENGTH_TOO_LONG)
            return {Errc::corrupt, fmt::format("TLS: what the {} sends is no TLS", peer)};
        // An alert of the peer's.
        if (reason > SSL_AD_REASON_OFFSET)
            return {Errc::permission_denied, fmt::format("TLS: the {} refuses: {}", peer, text)};
        return {Errc::corrupt, fmt::format("TLS: {}", text)};
    }

    std::mutex mutex_;  ///< an SSL is one thread's at a time
    const std::unique_ptr<SSL, FreeSsl> ssl_;
    Socket socket_;
    const TlsRole role_;
    std::vector<std::string> allowed_names_;
    std::string peer_;
    std::string client_;  ///< once established, where the peer has a certificate
    bool established_ = false;
    std::optional<Error> failed_;   ///< nothing more can be read or written
    std::optional<Error> refusal_;  ///< nothing is read from this peer; it can be told so
    std::atomic<std::uint32_t> read_events_ = EPOLLIN;
    std::atomic<std::uint32_t> write_events_ = EPOLLOUT;
    std::atomic<bool> holds_input_ = false;
};

}  // namespace

Result<std::unique_ptr<Transport>> make_tls_transport(ssl_st* ssl, base::UniqueFd socket,
                                                      std::string address, TlsRole role,
                                                      std::vector<std::string> allowed_names) {
    std::unique_ptr<SSL, FreeSsl> owned(ssl);
    if (owned == nullptr) return std::unexpected(Error{Errc::failed, "TLS: out of memory"});
    auto made = std::make_unique<TlsTransport>(std::move(owned), std::move(socket),
                                               std::move(address), role, std::move(allowed_names));
    if (auto begun = made->begin(); !begun) return std::unexpected(begun.error());
    return made;
}

}  // namespace crucible::runtime
