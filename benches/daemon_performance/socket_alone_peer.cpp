// A Unix socket with nobody behind it who would look at what it carries: what this machine can do,
// for whoever sends each event through a socket and is told that it arrived.
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "daemon_performance/peer.h"
#include "daemon_performance/socket_publisher.h"

namespace crucible::bench {
namespace {

constexpr std::size_t kReadBytes = 256u << 10;

/// Reads events of that size until the end, and says after each read how many have come.
void count_events(const base::UniqueFd& socket, std::size_t event_bytes) {
    std::vector<char> buffer(kReadBytes);
    std::uint64_t bytes = 0;
    std::uint64_t told = 0;
    for (;;) {
        const auto count = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return;
        bytes += static_cast<std::uint64_t>(count);
        const std::uint64_t more = bytes / event_bytes - told;
        if (more == 0) continue;
        told += more;
        if (::send(socket.get(), &more, sizeof more, MSG_NOSIGNAL) != sizeof more) return;
    }
}

SocketPublisher::Taken take_counts(BatchedSocket&, std::string_view bytes) {
    SocketPublisher::Taken taken;
    std::uint64_t more = 0;
    for (; bytes.size() - taken.bytes >= sizeof more; taken.bytes += sizeof more) {
        std::memcpy(&more, bytes.data() + taken.bytes, sizeof more);
        taken.acknowledged += more;
    }
    return taken;
}

class SocketAlonePeer final : public Peer {
public:
    Result<> start() override { return {}; }

    Result<std::unique_ptr<Publisher>> connect(std::size_t payload_bytes) override {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
            return std::unexpected(base::errno_error("socketpair", errno));
        readers_.emplace_back([socket = base::UniqueFd(ends[0]), payload_bytes] {
            count_events(socket, payload_bytes);
        });
        auto socket = std::make_shared<BatchedSocket>(base::UniqueFd(ends[1]));
        auto publisher = std::make_unique<SocketPublisher>(
            socket, [event = std::string(payload_bytes, 'x')](BatchedSocket& publishing) {
                return publishing.write({event});
            });
        publisher->acknowledged_on(socket, take_counts);
        return publisher;
    }

private:
    std::vector<std::jthread> readers_;
};

}  // namespace

std::unique_ptr<Peer> make_socket_alone_peer() {
    return std::make_unique<SocketAlonePeer>();
}

}  // namespace crucible::bench
