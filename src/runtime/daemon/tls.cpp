#include "runtime/daemon/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstring>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "runtime/daemon/tls_transport.h"

namespace crucible::runtime {
namespace {

constexpr std::size_t kReadAheadBytes = 64u << 10;

/// OpenSSL's reason for what has just failed.
std::string last_reason() {
    const auto error = ::ERR_peek_last_error();
    if (ERR_SYSTEM_ERROR(error)) return std::strerror(ERR_GET_REASON(error));
    const char* reason = ::ERR_reason_error_string(error);
    ::ERR_clear_error();
    return reason == nullptr ? "unknown reason" : reason;
}

std::unexpected<Error> unusable(const std::filesystem::path& file, std::string_view what) {
    return std::unexpected(Error{Errc::invalid_argument,
                                 fmt::format("{}: {} ({})", file.string(), what, last_reason())});
}

Result<> check_readable(const std::filesystem::path& file) {
    const auto text = base::read_file(file);
    if (!text) return std::unexpected(text.error());
    return {};
}

Result<> use_certificate(SSL_CTX* context, const std::filesystem::path& certificate,
                         const std::filesystem::path& key) {
    for (const auto* file : {&certificate, &key})
        if (auto readable = check_readable(*file); !readable) return readable;
    if (::SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1)
        return unusable(certificate, "no certificate in PEM");
    if (::SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
        return unusable(key, "no private key in PEM that fits the certificate");
    return {};
}

Result<> believe(SSL_CTX* context, const std::filesystem::path& ca) {
    if (auto readable = check_readable(ca); !readable) return readable;
    if (::SSL_CTX_load_verify_file(context, ca.c_str()) != 1)
        return unusable(ca, "no certificates in PEM");
    return {};
}

/// Without a password to ask for: a key that has one cannot be used, and nobody is at a terminal.
int no_password(char*, int, int, void*) {
    return -1;
}

}  // namespace

TlsContext::TlsContext(std::vector<std::string> allowed_names)
    : allowed_names_(std::move(allowed_names)), context_(::SSL_CTX_new(::TLS_method())) {
    if (context_ == nullptr) return;
    ::SSL_CTX_set_min_proto_version(context_, TLS1_3_VERSION);
    ::SSL_CTX_set_max_proto_version(context_, TLS1_3_VERSION);
    ::SSL_CTX_set_default_passwd_cb(context_, no_password);
    // Many records with one system call.
    ::SSL_CTX_set_read_ahead(context_, 1);
    ::SSL_CTX_set_default_read_buffer_len(context_, kReadAheadBytes);
    // No resumption: every connection shows its certificate, and whether that is still good.
    ::SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
    ::SSL_CTX_set_num_tickets(context_, 0);
    ::SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                     SSL_MODE_RELEASE_BUFFERS);
}

TlsContext::~TlsContext() {
    ::SSL_CTX_free(context_);
}

Result<std::shared_ptr<const TlsContext>> TlsContext::for_daemon(const DaemonTls& options) {
    auto made = std::make_shared<TlsContext>(options.allowed_names);
    SSL_CTX* context = made->context_;
    if (context == nullptr) return std::unexpected(Error{Errc::failed, "TLS: " + last_reason()});
    if (auto used = use_certificate(context, options.certificate, options.key); !used)
        return std::unexpected(used.error());
    if (auto believed = believe(context, options.client_ca); !believed)
        return std::unexpected(believed.error());
    // So that a client with several certificates knows which to show.
    ::SSL_CTX_set_client_CA_list(context, ::SSL_load_client_CA_file(options.client_ca.c_str()));
    ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    return made;
}

Result<std::shared_ptr<const TlsContext>> TlsContext::for_client(const DaemonTlsOptions& options) {
    if (options.ca.empty()) {
        return std::unexpected(Error{Errc::invalid_argument,
                                     "TLS: no file with the certificates that vouch for the "
                                     "daemon's (ca)"});
    }
    if (options.certificate.empty() != options.key.empty()) {
        return std::unexpected(
            Error{Errc::invalid_argument, "TLS: certificate and key go together"});
    }
    auto made = std::make_shared<TlsContext>(std::vector<std::string>());
    SSL_CTX* context = made->context_;
    if (context == nullptr) return std::unexpected(Error{Errc::failed, "TLS: " + last_reason()});
    if (!options.certificate.empty()) {
        if (auto used = use_certificate(context, options.certificate, options.key); !used)
            return std::unexpected(used.error());
    }
    if (auto believed = believe(context, options.ca); !believed)
        return std::unexpected(believed.error());
    ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    return made;
}

Result<std::unique_ptr<Transport>> TlsContext::accept(base::UniqueFd socket,
                                                      std::string address) const {
    return make_tls_transport(::SSL_new(context_), std::move(socket), std::move(address),
                              TlsRole::daemon, allowed_names_);
}

Result<std::unique_ptr<Transport>> TlsContext::connect(base::UniqueFd socket, std::string address,
                                                       const std::string& name) const {
    SSL* ssl = ::SSL_new(context_);
    if (ssl != nullptr) {
        X509_VERIFY_PARAM* wanted = ::SSL_get0_param(ssl);
        ::X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        // An IP address, or else a name; of those the daemon is told which one is meant.
        const bool named = ::X509_VERIFY_PARAM_set1_ip_asc(wanted, name.c_str()) == 1 ||
                           (::X509_VERIFY_PARAM_set1_host(wanted, name.c_str(), name.size()) == 1 &&
                            ::SSL_set_tlsext_host_name(ssl, name.c_str()) == 1);
        if (!named) {
            ::SSL_free(ssl);
            return std::unexpected(
                Error{Errc::invalid_argument,
                      fmt::format("TLS: {} is no host's name", base::in_quotes(name))});
        }
    }
    return make_tls_transport(ssl, std::move(socket), std::move(address), TlsRole::client, {});
}

}  // namespace crucible::runtime
