#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>

#include "base/clock.h"
#include "lab/run/control.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

constexpr Duration kSendLimit = 5s;
constexpr std::size_t kLineMax = 64u << 20;

}  // namespace

Result<> Channel::send(std::string_view line) {
    std::string bytes(line);
    bytes.push_back('\n');
    std::string_view rest = bytes;
    const TimePoint deadline = base::monotonic_now() + kSendLimit;
    while (!rest.empty()) {
        const auto count =
            ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count >= 0) {
            rest.remove_prefix(static_cast<std::size_t>(count));
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN)
            return std::unexpected(Error{Errc::closed, "the peer of the control channel is gone"});
        const auto left = (deadline - base::monotonic_now()) / 1ms;
        if (left <= 0) {
            return std::unexpected(
                Error{Errc::timeout, "the peer of the control channel does not read"});
        }
        pollfd writable{.fd = socket_.get(), .events = POLLOUT, .revents = 0};
        ::poll(&writable, 1, static_cast<int>(left));
    }
    return {};
}

Result<> Channel::receive() {
    std::array<char, 65'536> buffer;
    for (;;) {
        const auto count = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (count > 0) {
            received_.append(buffer.data(), static_cast<std::size_t>(count));
            if (received_.size() > kLineMax)
                return std::unexpected(Error{Errc::corrupt, "control message too long"});
            continue;
        }
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) return {};
        return std::unexpected(Error{Errc::closed, "the peer of the control channel is gone"});
    }
}

std::optional<std::string> Channel::next_line() {
    const auto newline = received_.find('\n', scanned_);
    if (newline == std::string::npos) {
        scanned_ = received_.size();
        return std::nullopt;
    }
    std::string line = received_.substr(0, newline);
    received_.erase(0, newline + 1);
    scanned_ = 0;
    return line;
}

}  // namespace crucible::lab
