#include "runtime/daemon/connect.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/file.h"
#include "runtime/daemon/protocol.h"
#include "runtime/daemon/ring_transport.h"
#include "runtime/daemon/tcp_socket.h"
#include "runtime/daemon/tls.h"
#include "runtime/daemon/unix_socket.h"

namespace crucible::runtime {
namespace {

using base::UniqueFd;

/// As far as the system allows; with less, sender and reader take turns more often.
constexpr int kSendBufferBytes = 2 << 20;

/// Where the daemon is, as messages name it.
using Place = std::string;

std::unexpected<Error> fail(Errc code, const Place& place, std::string_view what) {
    return std::unexpected(Error{code, fmt::format("{}: {}", place, what)});
}

int milliseconds_until(TimePoint deadline) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - base::monotonic_now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000'000));
}

Result<UniqueFd> open_socket(const std::filesystem::path& path, TimePoint deadline) {
    const auto address = unix_address(path);
    if (!address) return std::unexpected(address.error());
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return std::unexpected(base::errno_error("socket", errno));
    // connect() on a Unix socket waits only while the daemon's backlog is full; SO_SNDTIMEO bounds
    // that. Zero would mean forever.
    const int left_ms = std::max(milliseconds_until(deadline), 1);
    const timeval limit{.tv_sec = left_ms / 1000, .tv_usec = (left_ms % 1000) * 1000};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    int status = 0;
    do {
        status =
            ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
    } while (status != 0 && errno == EINTR);
    if (status == 0) {
        const timeval none{};
        ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none);
        // Room for many batches, so that the daemon reads some while others are written.
        const int room = kSendBufferBytes;
        ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        return socket;
    }
    switch (errno) {
        case ENOENT:
        case ENOTDIR:
            return fail(Errc::not_found, path.string(), "no such socket; is crucibled running?");
        case ECONNREFUSED:
            return fail(Errc::not_found, path.string(),
                        "nobody listens there; is crucibled running?");
        case EAGAIN:
        case ETIMEDOUT:
            return fail(Errc::timeout, path.string(), "the daemon does not accept connections");
        default:
            return std::unexpected(base::errno_error(path.string(), errno));
    }
}

/// Waits until `transport` can go on, as far as `events` are what it waits for. False: too late.
bool wait_for(Transport& transport, std::uint32_t events, TimePoint deadline) {
    pollfd waiter{.fd = transport.fd(), .events = static_cast<short>(events), .revents = 0};
    if (::poll(&waiter, 1, milliseconds_until(deadline)) == 0) return false;
    transport.woken();
    return true;
}

/// The daemon's next frame, read to its last byte and not beyond.
Result<protocol::Buffer> receive_frame(Transport& transport, const Place& daemon,
                                       TimePoint deadline) {
    protocol::Buffer bytes;
    std::size_t wanted = sizeof(protocol::FrameHeader);
    while (bytes.size() < wanted) {
        const std::size_t had = bytes.size();
        bytes.resize(wanted);
        const auto count = transport.read(std::span(bytes).subspan(had));
        bytes.resize(had + count.value_or(0));
        if (!count && count.error().code == Errc::closed)
            return fail(Errc::closed, daemon, "the daemon closed the connection");
        if (!count) return fail(count.error().code, daemon, count.error().message);
        if (*count == 0) {
            if (!transport.holds_input() && !wait_for(transport, transport.read_events(), deadline))
                return fail(Errc::timeout, daemon, "the daemon did not answer in time");
            continue;
        }
        const auto frame = protocol::next_frame(bytes);
        if (!frame)
            return fail(frame.error().code, daemon,
                        "not a crucible daemon: " + frame.error().message);
        wanted = std::max(wanted, protocol::frame_bytes(bytes));
    }
    return bytes;
}

/// - Errc::closed: the daemon takes no more; what it said before may be there to read.
Result<> send_all(Transport& transport, const protocol::Buffer& bytes, const Place& daemon,
                  TimePoint deadline) {
    for (std::size_t sent = 0; sent < bytes.size();) {
        const auto count = transport.write(std::span(bytes).subspan(sent));
        if (!count && count.error().code == Errc::closed)
            return fail(Errc::closed, daemon, "the daemon closed the connection");
        if (!count) return fail(count.error().code, daemon, count.error().message);
        sent += *count;
        if (sent < bytes.size() && !transport.has_room() &&
            !wait_for(transport, transport.write_events(), deadline))
            return fail(Errc::timeout, daemon, "the daemon did not answer in time");
    }
    return {};
}

/// The daemon's greeting.
Result<protocol::Greeting> shake_hands(Transport& transport, const Place& daemon,
                                       std::uint32_t flags, TimePoint deadline) {
    protocol::Buffer hello;
    protocol::append_greeting(hello, protocol::Kind::hello, {.flags = flags});
    // A refusal may already be there to say why it was closed.
    if (auto sent = send_all(transport, hello, daemon, deadline);
        !sent && sent.error().code != Errc::closed)
        return std::unexpected(sent.error());
    const auto bytes = receive_frame(transport, daemon, deadline);
    if (!bytes) return std::unexpected(bytes.error());
    const auto frame = protocol::next_frame(*bytes);
    if (!frame || !*frame) return fail(Errc::corrupt, daemon, "not a crucible daemon");
    if ((*frame)->header.kind == protocol::Kind::refuse) {
        const Error refusal = protocol::refusal_of(**frame);
        return fail(refusal.code, daemon, refusal.message);
    }
    if (auto checked = protocol::check_greeting(**frame, protocol::Kind::welcome, "daemon");
        !checked) {
        return fail(checked.error().code, daemon, checked.error().message);
    }
    if (flags != 0 && !transport.established())
        return fail(Errc::unsupported, daemon, "the daemon does not know shared memory");
    return protocol::greeting_of(**frame);
}

TimePoint deadline_after(Duration limit) {
    return base::monotonic_now() + std::min<Duration>(limit, std::chrono::hours(24));
}

Result<Connection> connect_on_this_host(const DaemonClientOptions& options, TimePoint deadline) {
    auto socket = open_socket(options.socket, deadline);
    if (!socket) return std::unexpected(socket.error());
    const auto peer = peer_of(socket->get());
    if (!peer) return std::unexpected(peer.error());
    if (!trusted(*peer, options.daemon_uids)) {
        return fail(Errc::permission_denied, options.socket.string(),
                    "the process listening there is another user's");
    }
    return Connection{make_socket_transport(std::move(*socket), fmt::format("pid {}", peer->pid)),
                      peer->pid};
}

Result<Connection> connect_over_tcp(const DaemonClientOptions& options, TimePoint deadline) {
    const auto& tls = options.tls;
    const auto daemon = parse_host_port(options.address);
    if (!daemon) return std::unexpected(daemon.error());
    std::shared_ptr<const TlsContext> context;
    if (!options.plain_tcp) {
        auto made = TlsContext::for_client(tls);
        if (!made) return std::unexpected(made.error());
        context = std::move(*made);
    } else if (!tls.ca.empty() || !tls.certificate.empty() || !tls.key.empty()) {
        return fail(Errc::invalid_argument, options.address,
                    "either plain TCP or certificates, not both");
    }
    auto socket = connect_tcp(*daemon, options.plain_tcp, deadline);
    if (!socket) return std::unexpected(socket.error());
    Connection connection;
    if (options.plain_tcp) {
        connection.transport = make_socket_transport(std::move(*socket), options.address);
        return connection;
    }
    const std::string& name = tls.server_name.empty() ? daemon->host : tls.server_name;
    auto secured = context->connect(std::move(*socket), options.address, name);
    if (!secured) return std::unexpected(secured.error());
    connection.transport = std::move(*secured);
    return connection;
}

}  // namespace

std::string place_of(const DaemonClientOptions& options) {
    return options.address.empty() ? options.socket.string() : options.address;
}

Result<Connection> connect_to_daemon(const DaemonClientOptions& options) {
    const TimePoint deadline = deadline_after(options.connect_limit);
    if (!options.address.empty() && !options.socket.empty())
        return fail(Errc::invalid_argument, options.address, "either an address or a socket");
    auto connection = options.address.empty() ? connect_on_this_host(options, deadline)
                                              : connect_over_tcp(options, deadline);
    if (!connection) return connection;
    std::uint32_t flags = 0;
    if (options.shared_memory) {
        auto expecting =
            expect_shared_memory(std::move(connection->transport), protocol::kGreetingFrameBytes);
        if (!expecting) return std::unexpected(expecting.error());
        connection->transport = std::move(*expecting);
        flags = protocol::kSharesMemory;
    }
    const auto welcome = shake_hands(*connection->transport, place_of(options), flags, deadline);
    if (!welcome) return std::unexpected(welcome.error());
    connection->credit = welcome->credit;
    return connection;
}

Result<std::string> ask_daemon(const DaemonClientOptions& options, std::string_view question) {
    const Place daemon = place_of(options);
    if (question.size() > protocol::kQuestionBytesMax)
        return fail(Errc::invalid_argument, daemon, "the question is too long");
    const auto connection = connect_to_daemon(options);
    if (!connection) return std::unexpected(connection.error());
    Transport& transport = *connection->transport;
    const TimePoint deadline = deadline_after(options.connect_limit);
    protocol::Buffer out;
    protocol::append_text_frame(out, protocol::Kind::ask, 1, question);
    if (auto sent = send_all(transport, out, daemon, deadline); !sent)
        return std::unexpected(sent.error());
    const auto bytes = receive_frame(transport, daemon, deadline);
    if (!bytes) return std::unexpected(bytes.error());
    const auto frame = protocol::next_frame(*bytes);
    if (!frame || !*frame || (*frame)->header.kind != protocol::Kind::tell)
        return fail(Errc::corrupt, daemon, "the daemon did not answer the question");
    return std::string(protocol::text_of(**frame));
}

}  // namespace crucible::runtime
