#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/file.h"
#include "runtime/daemon/protocol.h"
#include "runtime/daemon/unix_socket.h"

namespace crucible::runtime::testing {

/// A socket to the daemon that sends whatever bytes a test wants: a client that is broken, old or
/// hostile.
class RawClient {
public:
    struct Answer {
        protocol::FrameHeader header;
        protocol::Buffer body;
        std::string text() const {
            return {reinterpret_cast<const char*>(body.data()), body.size()};
        }
    };

    explicit RawClient(const std::filesystem::path& path)
        : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const auto address = unix_address(path);
        EXPECT_TRUE(address);
        connected_ = ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&*address),
                               sizeof *address) == 0;
    }
    /// A socket that is connected already.
    explicit RawClient(base::UniqueFd socket) : socket_(std::move(socket)), connected_(socket_) {}
    bool connected() const { return connected_; }
    int fd() const { return socket_.get(); }

    bool send(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const auto count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count < 0) return false;
            bytes = bytes.subspan(static_cast<std::size_t>(count));
        }
        return true;
    }
    bool send_text(std::string_view text) { return send(std::as_bytes(std::span(text))); }

    bool greet() {
        protocol::Buffer hello;
        protocol::append_greeting(hello, protocol::Kind::hello);
        if (!send(hello)) return false;
        const auto answer = receive();
        return answer && answer->header.kind == protocol::Kind::welcome;
    }

    /// The next frame; nothing at the end of the stream, or after a generous wait.
    std::optional<Answer> receive() {
        for (;;) {
            const auto frame = protocol::next_frame(received_);
            if (!frame) return std::nullopt;
            if (*frame) {
                Answer answer{(*frame)->header, {(*frame)->body.begin(), (*frame)->body.end()}};
                received_.erase(received_.begin(),
                                received_.begin() + static_cast<std::ptrdiff_t>((*frame)->bytes));
                return answer;
            }
            pollfd waiter{.fd = socket_.get(), .events = POLLIN, .revents = 0};
            if (::poll(&waiter, 1, 30'000) <= 0) return std::nullopt;
            std::byte buffer[65536];
            const auto count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
            if (count <= 0) return std::nullopt;
            received_.insert(received_.end(), buffer, buffer + count);
        }
    }

    /// Ends the connection as a process that dies does.
    void shut() { socket_.reset(); }

    /// True when the daemon closed the connection and nothing is left to read.
    bool ended() { return connected_ && !receive(); }

private:
    base::UniqueFd socket_;
    bool connected_ = false;
    protocol::Buffer received_;
};

}  // namespace crucible::runtime::testing
