#include "daemon_performance/batched_socket.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/clock.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kBatchBytes = 128u << 10;
constexpr std::size_t kReadBytes = 256u << 10;
constexpr Duration kHold = 20us;

constexpr timeval kSilence{.tv_sec = 20, .tv_usec = 0};

}  // namespace

BatchedSocket::BatchedSocket(base::UniqueFd socket) : socket_(std::move(socket)) {
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &kSilence, sizeof kSilence);
}

bool BatchedSocket::write(std::initializer_list<std::string_view> parts) {
    for (const auto part : parts) batch_.append(part);
    if (batch_.size() < kBatchBytes && base::monotonic_now() - last_flush_ < kHold) return true;
    return flush();
}

bool BatchedSocket::flush() {
    std::string_view rest = batch_;
    while (!rest.empty()) {
        const auto count = ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        rest.remove_prefix(static_cast<std::size_t>(count));
    }
    batch_.clear();
    last_flush_ = base::monotonic_now();
    return true;
}

std::string_view BatchedSocket::read_some() {
    if (consumed_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + consumed_, filled_ - consumed_);
        filled_ -= consumed_;
        consumed_ = 0;
    }
    if (buffer_.size() < filled_ + kReadBytes) buffer_.resize(filled_ + kReadBytes);
    for (;;) {
        const auto count =
            ::recv(socket_.get(), buffer_.data() + filled_, buffer_.size() - filled_, 0);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return {};
        filled_ += static_cast<std::size_t>(count);
        return {buffer_.data(), filled_};
    }
}

void BatchedSocket::read_in_thread(std::function<std::size_t(std::string_view)> on_bytes,
                                   std::function<void()> on_end) {
    reader_ = std::jthread([this, on_bytes = std::move(on_bytes), on_end = std::move(on_end)] {
        for (auto bytes = read_some(); !bytes.empty(); bytes = read_some())
            consume(on_bytes(bytes));
        on_end();
    });
}

void BatchedSocket::close() {
    if (!socket_) return;
    ::shutdown(socket_.get(), SHUT_RDWR);
    if (reader_.joinable()) reader_.join();
    socket_.reset();
}

}  // namespace crucible::bench
