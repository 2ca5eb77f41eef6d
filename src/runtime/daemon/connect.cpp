#include "runtime/daemon/connect.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "base/clock.h"
#include "runtime/daemon/protocol.h"
#include "runtime/daemon/unix_socket.h"

namespace crucible::runtime {
namespace {

using base::UniqueFd;

/// As far as the system allows; with less, sender and reader take turns more often.
constexpr int kSendBufferBytes = 2 << 20;
constexpr std::size_t kQuestionBytesMax = 64u << 10;

std::unexpected<Error> fail(Errc code, const std::filesystem::path& socket, std::string_view what) {
    return std::unexpected(Error{code, socket.string() + ": " + std::string(what)});
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
            return fail(Errc::not_found, path, "no such socket; is crucibled running?");
        case ECONNREFUSED:
            return fail(Errc::not_found, path, "nobody listens there; is crucibled running?");
        case EAGAIN:
        case ETIMEDOUT:
            return fail(Errc::timeout, path, "the daemon does not accept connections");
        default:
            return std::unexpected(base::errno_error(path.string(), errno));
    }
}

/// The daemon's first frame, read to its last byte and not beyond.
Result<protocol::Buffer> receive_frame(int socket, const std::filesystem::path& path,
                                       TimePoint deadline) {
    protocol::Buffer bytes;
    std::size_t wanted = sizeof(protocol::FrameHeader);
    while (bytes.size() < wanted) {
        pollfd waiter{.fd = socket, .events = POLLIN, .revents = 0};
        const int ready = ::poll(&waiter, 1, milliseconds_until(deadline));
        if (ready == 0) return fail(Errc::timeout, path, "the daemon did not answer in time");
        const std::size_t had = bytes.size();
        bytes.resize(wanted);
        const auto count = ::recv(socket, bytes.data() + had, wanted - had, MSG_DONTWAIT);
        bytes.resize(had + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
        if (count == 0) return fail(Errc::closed, path, "the daemon closed the connection");
        if (count < 0 && errno != EAGAIN && errno != EINTR) {
            return std::unexpected(base::errno_error(path.string(), errno));
        }
        const auto frame = protocol::next_frame(bytes);
        if (!frame)
            return fail(frame.error().code, path,
                        "not a crucible daemon: " + frame.error().message);
        wanted = std::max(wanted, protocol::frame_bytes(bytes));
    }
    return bytes;
}

Result<> shake_hands(int socket, const std::filesystem::path& path, TimePoint deadline) {
    protocol::Buffer hello;
    protocol::append_greeting(hello, protocol::Kind::hello);
    const auto sent = ::send(socket, hello.data(), hello.size(), MSG_NOSIGNAL);
    // A refusal may already be there to say why.
    if (sent != static_cast<ssize_t>(hello.size()) && errno != EPIPE && errno != ECONNRESET) {
        return std::unexpected(base::errno_error(path.string(), errno));
    }
    const auto bytes = receive_frame(socket, path, deadline);
    if (!bytes) return std::unexpected(bytes.error());
    const auto frame = protocol::next_frame(*bytes);
    if (!frame || !*frame) return fail(Errc::corrupt, path, "not a crucible daemon");
    if ((*frame)->header.kind == protocol::Kind::refuse) {
        const auto code = static_cast<Errc>(std::min<std::uint64_t>(
            (*frame)->header.token, static_cast<std::uint64_t>(Errc::failed)));
        const auto body = (*frame)->body;
        return fail(code, path,
                    std::string_view(reinterpret_cast<const char*>(body.data()), body.size()));
    }
    if (auto checked = protocol::check_greeting(**frame, protocol::Kind::welcome, "daemon");
        !checked) {
        return fail(checked.error().code, path, checked.error().message);
    }
    return {};
}

}  // namespace

Result<Connection> connect_to_daemon(const std::filesystem::path& path, Duration limit,
                                     std::span<const uid_t> daemon_uids) {
    const TimePoint deadline =
        base::monotonic_now() + std::min<Duration>(limit, std::chrono::hours(24));
    auto socket = open_socket(path, deadline);
    if (!socket) return std::unexpected(socket.error());
    const auto peer = peer_of(socket->get());
    if (!peer) return std::unexpected(peer.error());
    if (!trusted(*peer, daemon_uids)) {
        return fail(Errc::permission_denied, path, "the process listening there is another user's");
    }
    if (auto shaken = shake_hands(socket->get(), path, deadline); !shaken)
        return std::unexpected(shaken.error());
    return Connection{std::move(*socket), peer->pid};
}

Result<std::string> ask_daemon(const std::filesystem::path& path, std::string_view question,
                               Duration limit) {
    if (question.size() > kQuestionBytesMax)
        return fail(Errc::invalid_argument, path, "the question is too long");
    const TimePoint deadline =
        base::monotonic_now() + std::min<Duration>(limit, std::chrono::hours(24));
    const auto connection = connect_to_daemon(path, limit);
    if (!connection) return std::unexpected(connection.error());
    const int socket = connection->socket.get();
    protocol::Buffer out;
    protocol::append_text_frame(out, protocol::Kind::ask, 1, question);
    // It fits the socket's buffer, which is empty.
    if (::send(socket, out.data(), out.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(out.size()))
        return fail(Errc::closed, path, "the daemon closed the connection");
    const auto bytes = receive_frame(socket, path, deadline);
    if (!bytes) return std::unexpected(bytes.error());
    const auto frame = protocol::next_frame(*bytes);
    if (!frame || !*frame || (*frame)->header.kind != protocol::Kind::tell)
        return fail(Errc::corrupt, path, "the daemon did not answer the question");
    return std::string(protocol::text_of(**frame));
}

}  // namespace crucible::runtime
