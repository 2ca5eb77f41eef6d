#include "runtime/daemon/transport.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace crucible::runtime {
namespace {

class SocketTransport final : public Transport {
public:
    SocketTransport(base::UniqueFd socket, std::string peer, std::string client) noexcept
        : socket_(std::move(socket)), peer_(std::move(peer)), client_(std::move(client)) {}

    Result<std::size_t> read(std::span<std::byte> room) override {
        const auto count = ::recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
        if (count > 0) return static_cast<std::size_t>(count);
        if (count == 0) return std::unexpected(Error{Errc::closed, {}});
        if (errno == EAGAIN || errno == EINTR) return 0;
        return std::unexpected(base::errno_error("receive", errno));
    }

    Result<std::size_t> write(std::span<const std::byte> bytes) override {
        std::size_t sent = 0;
        while (sent < bytes.size()) {
            const auto count = ::send(socket_.get(), bytes.data() + sent, bytes.size() - sent,
                                      MSG_DONTWAIT | MSG_NOSIGNAL);
            if (count >= 0) {
                sent += static_cast<std::size_t>(count);
            } else if (errno == EAGAIN || (errno != EINTR && sent > 0)) {
                break;
            } else if (errno != EINTR) {
                return std::unexpected(Error{Errc::closed, std::strerror(errno)});
            }
        }
        return sent;
    }

    int fd() const noexcept override { return socket_.get(); }
    std::string peer() const override { return peer_; }
    std::string client() const override { return client_.empty() ? peer_ : client_; }

private:
    const base::UniqueFd socket_;
    const std::string peer_;
    const std::string client_;
};

}  // namespace

bool Transport::has_arrived() noexcept {
    if (holds_input()) return true;
    std::byte first;
    const auto count = ::recv(fd(), &first, sizeof first, MSG_DONTWAIT | MSG_PEEK);
    return count >= 0 || (errno != EAGAIN && errno != EINTR);
}

std::unique_ptr<Transport> make_socket_transport(base::UniqueFd socket, std::string peer,
                                                 std::string client) {
    return std::make_unique<SocketTransport>(std::move(socket), std::move(peer), std::move(client));
}

}  // namespace crucible::runtime
