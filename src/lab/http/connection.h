#pragma once

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "crucible/error.h"
#include "crucible/time.h"
#include "lab/http/response_reader.h"

namespace crucible::lab {

/// An address of a server, as the system resolved it.
struct ServerAddress {
    sockaddr_storage address{};
    socklen_t length = 0;
    int family = 0;
};

/// The first address of `host`. - Errc::not_found: the name is not known.
Result<ServerAddress> resolve(const std::string& host, std::uint16_t port);

struct SslContextFree {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslContextFree>;

/// - Errc::not_found, Errc::invalid_argument: `ca_file` cannot be read.
Result<SslContext> make_ssl_context(bool verify, const std::string& ca_file);

/// One non-blocking connection to an HTTP server, plain or with TLS. Requests are written in the
/// order given, and their responses come in that order.
class Connection {
public:
    enum class State : std::uint8_t { closed, connecting, greeting, open };
    /// What the descriptor shall be watched for.
    struct Interest {
        bool read = true;
        bool write = false;
        friend bool operator==(const Interest&, const Interest&) = default;
    };

    /// A request without its response yet.
    struct Pending {
        std::uint64_t token = 0;
        std::string request;  ///< empty unless kept
    };

    /// `keep_body`: of responses. `keep_requests`: until they are answered, to send them again
    /// elsewhere.
    Connection(bool keep_body, bool keep_requests)
        : keep_requests_(keep_requests), reader_(keep_body) {}

    /// Begins to connect. `context` null: without TLS; `host` is who the certificate must name,
    /// empty to accept any.
    Result<> connect(const ServerAddress& address, SSL_CTX* context, const std::string& host);
    void close() noexcept;

    State state() const noexcept { return state_; }
    int descriptor() const noexcept { return socket_.get(); }
    Interest interest() const noexcept;
    std::size_t in_flight() const noexcept { return pending_.size(); }
    /// Requests that were written or wait to be, and have no response yet; oldest first.
    std::deque<Pending> take_pending() noexcept { return std::exchange(pending_, {}); }
    /// The server said that it ends the connection: nothing may be sent on it any more.
    bool ending() const noexcept { return ending_; }
    /// When the kernel received what was read last; nothing where it does not say.
    std::optional<WallTime> arrived() const noexcept { return arrived_; }

    /// Writes `request`, or keeps what the socket does not take until flush().
    /// - Errc::closed: the connection is broken.
    Result<> send(std::uint64_t token, std::string_view request);

    /// Goes on where it stopped: connects, greets, writes what is kept. Call when writable.
    /// - Errc::closed, Errc::permission_denied (TLS): it failed; the message says how.
    Result<> advance();

    /// Reads what has arrived and calls `on_response(token, reader)` for each response.
    /// - Errc::closed: the peer ended the connection. - Errc::corrupt: what it sends is no HTTP, or
    ///   answers no request.
    /// `scratch` is memory to read into, shared by all connections.
    template <typename OnResponse>
    Result<> receive(std::span<char> scratch, OnResponse on_response);

private:
    struct SslFree {
        void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
    };

    template <typename OnResponse>
    Result<> take_response(OnResponse& on_response);
    /// Bytes read; 0: nothing there now. - Errc::closed.
    void note_arrival(const msghdr& message);
    Result<std::size_t> read_some(char* into, std::size_t size);
    Result<std::size_t> write_some(std::string_view bytes);
    Result<> greet();
    Result<> flush();

    base::UniqueFd socket_;
    std::unique_ptr<SSL, SslFree> ssl_;
    State state_ = State::closed;
    bool wants_write_ = false;
    std::optional<WallTime> arrived_;
    bool ending_ = false;
    std::string unsent_;
    std::size_t unsent_from_ = 0;
    std::string received_;  ///< not yet taken by the reader
    std::deque<Pending> pending_;
    bool keep_requests_;
    ResponseReader reader_;
};

template <typename OnResponse>
Result<> Connection::receive(std::span<char> scratch, OnResponse on_response) {
    for (;;) {
        const auto count = read_some(scratch.data(), scratch.size());
        if (count && *count == 0) return {};
        std::string_view input(scratch.data(), count ? *count : 0);
        if (!received_.empty()) input = received_.append(input);
        while (!input.empty()) {
            const auto progress = reader_.read(input);
            input.remove_prefix(progress.taken);
            if (progress.broken) {
                return std::unexpected(
                    Error{Errc::corrupt, "not an HTTP response: " + reader_.error()});
            }
            if (!progress.complete) break;
            if (const auto taken = take_response(on_response); !taken) return taken;
        }
        // The rest of a header that has not arrived whole; it may lie in received_ itself.
        received_ = std::string(input);
        if (!count) {
            if (reader_.end().complete) {
                if (const auto taken = take_response(on_response); !taken) return taken;
            }
            return std::unexpected(count.error());
        }
        // With TLS more may have arrived than is read at once.
        if (!ssl_ && *count < scratch.size()) return {};
    }
}

template <typename OnResponse>
Result<> Connection::take_response(OnResponse& on_response) {
    if (pending_.empty())
        return std::unexpected(Error{Errc::corrupt, "the server answered what it was not asked"});
    ending_ = ending_ || !reader_.keep_alive();
    const auto token = pending_.front().token;
    pending_.pop_front();
    on_response(token, reader_);
    reader_.restart();
    return {};
}

}  // namespace crucible::lab
