#include "runtime/daemon/ring_transport.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "base/file.h"
#include "runtime/daemon/byte_ring.h"
#include "runtime/daemon/shared_rings.h"

namespace crucible::runtime {
namespace {

using base::UniqueFd;

bool is_unix_socket(int socket) noexcept {
    int domain = 0;
    socklen_t size = sizeof domain;
    return ::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

/// Room for the one file that a message may bring.
struct Control {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> bytes{};
};

/// Sends all of `bytes` and `file` in one message.
Result<> send_with_file(int socket, std::span<const std::byte> bytes, int file) {
    iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
    Control control;
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof file);
    std::memcpy(CMSG_DATA(header), &file, sizeof file);
    const auto sent = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent == static_cast<ssize_t>(bytes.size())) return {};
    return std::unexpected(base::errno_error("send shared memory", sent < 0 ? errno : EAGAIN));
}

/// As recv(), and the first file that came with the bytes; others are closed.
ssize_t receive_with_file(int socket, std::span<std::byte> room, UniqueFd& file) {
    iovec part{.iov_base = room.data(), .iov_len = room.size()};
    Control control;
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    const auto count = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count < 0) return count;
    for (auto* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t files = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < files; ++i) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(header) + i * sizeof number, sizeof number);
            UniqueFd received(number);
            if (!file) file = std::move(received);
        }
    }
    return count;
}

class RingTransport final : public Transport {
public:
    /// The daemon's end.
    RingTransport(std::unique_ptr<Transport> socket, SharedRings rings)
        : socket_(std::move(socket)) {
        ends_.emplace(std::move(rings), /*client=*/false);
    }
    /// The client's end, which has no rings yet.
    RingTransport(std::unique_ptr<Transport> socket, std::size_t welcome_bytes)
        : socket_(std::move(socket)), welcome_left_(welcome_bytes) {}

    Result<std::size_t> read(std::span<std::byte> room) override {
        if (!in_rings()) return read_welcome(room);
        const auto count = ends_->incoming.read(room);
        if (!count || *count > 0) {
            if (count && ends_->incoming.may_ring()) ring();
            return count;
        }
        // Ended before we looked into the ring: nothing can have been put there since.
        if (ended_.load()) return std::unexpected(Error{Errc::closed, {}});
        return 0;
    }

    Result<std::size_t> write(std::span<const std::byte> bytes) override {
        if (!in_rings()) return socket_->write(bytes);
        if (ended_.load()) return std::unexpected(Error{Errc::closed, {}});
        std::size_t sent = 0;
        while (sent < bytes.size()) {
            const auto count = ends_->outgoing.write(bytes.subspan(sent));
            if (!count && sent == 0) return count;
            if (!count || *count == 0) break;
            sent += *count;
            if (ends_->outgoing.may_ring()) ring();
        }
        return sent;
    }

    std::span<const std::byte> peek(std::size_t most) noexcept override {
        return in_rings() ? ends_->incoming.peek(most) : std::span<const std::byte>();
    }
    void consume(std::size_t bytes) noexcept override {
        ends_->incoming.consume(bytes);
        if (ends_->incoming.may_ring()) ring();
    }
    std::byte* room_for(std::size_t bytes) noexcept override {
        return in_rings() && !ended_.load() ? ends_->outgoing.room_for(bytes) : nullptr;
    }
    void add(std::size_t bytes) noexcept override { ends_->outgoing.add(bytes); }
    Result<> push() override {
        if (!in_rings()) return {};
        if (ended_.load()) return std::unexpected(Error{Errc::closed, {}});
        ends_->outgoing.push();
        if (ends_->outgoing.may_ring()) ring();
        return {};
    }

    int fd() const noexcept override { return socket_->fd(); }
    /// Room is announced by a bell too.
    std::uint32_t write_events() const noexcept override {
        return in_rings() ? std::uint32_t{EPOLLIN} : socket_->write_events();
    }

    void woken() noexcept override {
        if (!in_rings()) return;
        // What is left shows in the next wait.
        std::array<std::byte, 256> bells;
        const auto count = ::recv(fd(), bells.data(), bells.size(), MSG_DONTWAIT);
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) ended_.store(true);
    }

    bool holds_input() noexcept override {
        return in_rings() && (ended_.load() || ends_->incoming.has_bytes_or_waits());
    }
    bool has_room() noexcept override { return in_rings() && ends_->outgoing.has_room(); }
    bool has_arrived() noexcept override {
        // Without asking to be woken, which would cost the peer a system call. That the peer has
        // gone is seen by who waits.
        if (in_rings()) return ended_.load() || ends_->incoming.has_bytes();
        return Transport::has_arrived();
    }

    bool established() const noexcept override { return ends_.has_value(); }
    std::string_view medium() const noexcept override { return "shared memory"; }
    std::string peer() const override { return socket_->peer(); }
    std::string client() const override { return socket_->client(); }

private:
    struct Ends {
        Ends(SharedRings shared, bool client) noexcept
            : rings(std::move(shared)),
              incoming(client ? rings.to_client().header : rings.to_daemon().header,
                       client ? rings.to_client().data : rings.to_daemon().data),
              outgoing(client ? rings.to_daemon().header : rings.to_client().header,
                       client ? rings.to_daemon().data : rings.to_client().data) {}

        const SharedRings rings;
        RingReader incoming;
        RingWriter outgoing;
    };

    bool in_rings() const noexcept { return ends_.has_value() && welcome_left_ == 0; }

    Result<std::size_t> read_welcome(std::span<std::byte> room) {
        if (ends_) room = room.first(std::min(room.size(), welcome_left_));
        UniqueFd file;
        const auto received = receive_with_file(fd(), room, file);
        if (received == 0) return std::unexpected(Error{Errc::closed, {}});
        if (received < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
        if (received < 0) return std::unexpected(base::errno_error("receive", errno));
        const auto count = static_cast<std::size_t>(received);
        welcome_left_ -= std::min(welcome_left_, count);
        if (file && !ends_) {
            auto rings = SharedRings::open(file);
            if (!rings) return std::unexpected(rings.error());
            ends_.emplace(std::move(*rings), /*client=*/true);
        }
        return count;
    }

    void ring() noexcept {
        // Where the socket takes no more, so many bells wait there that the peer will hear one.
        const std::byte bell{};
        while (::send(fd(), &bell, sizeof bell, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
               errno == EINTR) {
        }
    }

    const std::unique_ptr<Transport> socket_;
    std::size_t welcome_left_ = 0;  ///< still to come over the socket
    std::optional<Ends> ends_;
    std::atomic<bool> ended_ = false;  ///< the socket has; set by who waits
};

}  // namespace

Result<> share_memory(std::unique_ptr<Transport>& transport, std::size_t ring_bytes,
                      std::span<const std::byte> welcome) {
    if (!is_unix_socket(transport->fd())) {
        return std::unexpected(
            Error{Errc::unsupported, "shared memory is for clients on the Unix socket alone"});
    }
    auto made = SharedRings::make(ring_bytes);
    if (!made) return std::unexpected(made.error());
    auto& [rings, file] = *made;
    if (auto sent = send_with_file(transport->fd(), welcome, file.get()); !sent) return sent;
    transport = std::make_unique<RingTransport>(std::move(transport), std::move(rings));
    return {};
}

Result<std::unique_ptr<Transport>> expect_shared_memory(std::unique_ptr<Transport> socket,
                                                        std::size_t welcome_bytes) {
    if (!is_unix_socket(socket->fd())) {
        return std::unexpected(
            Error{Errc::invalid_argument, "shared memory needs the daemon's Unix socket"});
    }
    return std::make_unique<RingTransport>(std::move(socket), welcome_bytes);
}

}  // namespace crucible::runtime
