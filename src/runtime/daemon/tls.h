#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "crucible/daemon_client.h"
#include "crucible/error.h"
#include "runtime/daemon/transport.h"

struct ssl_ctx_st;

namespace crucible::runtime {

/// What a daemon secures its connections with; the files are PEM.
struct DaemonTls {
    std::filesystem::path certificate;  ///< its own, and those between it and its root
    std::filesystem::path key;          ///< of the certificate
    std::filesystem::path client_ca;    ///< those that vouch for clients'
    /// Common or alternative names of clients that may connect; empty: all that client_ca vouches
    /// for.
    std::vector<std::string> allowed_names;
};

/// The certificate that one end of secured connections shows, and whom it believes. TLS 1.3 alone.
/// Does not change; any thread may use it.
class TlsContext {
public:
    /// A client without a certificate that client_ca vouches for does not get in.
    /// - Errc::not_found, Errc::permission_denied, Errc::invalid_argument: a file cannot be used;
    /// the message names it.
    static Result<std::shared_ptr<const TlsContext>> for_daemon(const DaemonTls& options);
    /// - the same.
    static Result<std::shared_ptr<const TlsContext>> for_client(const DaemonTlsOptions& options);

    explicit TlsContext(std::vector<std::string> allowed_names);
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    /// For a client that has connected from `address`. Shakes hands as it is read from; an
    /// Errc::permission_denied that comes after that, because of the client's name, can still be
    /// told to the client.
    Result<std::unique_ptr<Transport>> accept(base::UniqueFd socket, std::string address) const;
    /// To the daemon at `address`, whose certificate has to be for `name` (a host or an IP
    /// address).
    Result<std::unique_ptr<Transport>> connect(base::UniqueFd socket, std::string address,
                                               const std::string& name) const;

private:
    std::vector<std::string> allowed_names_;
    ssl_ctx_st* context_ = nullptr;
};

}  // namespace crucible::runtime
