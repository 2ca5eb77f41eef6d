#include "runtime/daemon/client.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/coordinator/request_table.h"
#include "runtime/daemon/connect.h"
#include "runtime/daemon/protocol.h"

namespace crucible::runtime {
namespace {

constexpr std::size_t kReceiveBytes = 64u << 10;

/// Publishers write to the socket themselves; what it does not take at once waits in out_ for the
/// I/O thread, which also reads the acknowledgements.
class SocketClient final : public DaemonClient {
public:
    SocketClient(const DaemonClientOptions& options, Connection connection, base::UniqueFd wake,
                 AcknowledgementHandler on_acknowledged)
        : send_buffer_bytes_max_(options.send_buffer_bytes_max),
          socket_(std::move(connection.socket)),
          daemon_pid_(connection.daemon_pid),
          wake_(std::move(wake)),
          on_acknowledged_(std::move(on_acknowledged)),
          io_thread_([this] { run(); }) {}

    ~SocketClient() override {
        say_goodbye();
        stopping_.store(true);
        wake();
        io_thread_.join();
    }

    Result<> publish(const Event& event, std::uint64_t token) override {
        return send(protocol::Kind::publish, event, token);
    }

    Result<Response> request(const Event& event, Duration limit) override {
        const std::uint64_t id = requests_.begin();
        if (auto accepted = send(protocol::Kind::request, event, id); !accepted) {
            requests_.cancel(id);
            return std::unexpected(std::move(accepted.error()));
        }
        return requests_.wait(id, limit);
    }

    Result<> drain(Duration limit) override {
        std::unique_lock lock(drain_mutex_);
        drains_.fetch_add(1);
        // Bounded, so that adding Duration::max() to the clock's time cannot overflow.
        const Duration wait = std::min<Duration>(limit, std::chrono::hours(24 * 365));
        drained_.wait_for(lock, wait, [this] { return all_ended() || gone_.load(); });
        drains_.fetch_sub(1);
        if (all_ended()) return {};
        return std::unexpected(Error{gone_.load() ? Errc::closed : Errc::timeout, {}});
    }

    CoordinatorStats stats() const override {
        CoordinatorStats stats;
        // Ended before published: what ends in between is then counted as queued, never below zero.
        stats.handled = outcomes_[static_cast<std::size_t>(Outcome::handled)].load();
        stats.rejected = outcomes_[static_cast<std::size_t>(Outcome::rejected)].load();
        stats.failed = outcomes_[static_cast<std::size_t>(Outcome::failed)].load();
        stats.expired = outcomes_[static_cast<std::size_t>(Outcome::expired)].load();
        stats.published = published_.load();
        stats.queued =
            stats.published - stats.handled - stats.rejected - stats.failed - stats.expired;
        return stats;
    }

    pid_t daemon_pid() const noexcept override { return daemon_pid_; }

private:
    Result<> send(protocol::Kind kind, const Event& event, std::uint64_t token) {
        const std::lock_guard lock(send_mutex_);
        if (send_closed_.load()) return std::unexpected(Error{Errc::closed, {}});
        const std::size_t unsent_before = out_.size() - sent_;
        const std::size_t start = out_.size();
        if (unsent_before >= send_buffer_bytes_max_)
            return std::unexpected(Error{Errc::overloaded, {}});
        if (auto encoded = protocol::append_event(out_, kind, token, event); !encoded)
            return encoded;
        if (unsent_before > 0 && out_.size() - sent_ > send_buffer_bytes_max_) {
            out_.resize(start);
            return std::unexpected(Error{Errc::overloaded, {}});
        }
        // Counted before it leaves: its acknowledgement may come before this returns.
        published_.fetch_add(1);
        if (unsent_before > 0) return {};  // the I/O thread is waiting for room in the socket
        if (!write_out()) {
            // Whether the daemon got a part of it does not matter: it has none of it whole.
            published_.fetch_sub(1);
            return std::unexpected(Error{Errc::closed, {}});
        }
        if (!out_.empty()) wake();
        return {};
    }

    /// Sends what the socket takes now; false when the daemon is gone. Under send_mutex_.
    bool write_out() {
        while (sent_ < out_.size()) {
            const auto count = ::send(socket_.get(), out_.data() + sent_, out_.size() - sent_,
                                      MSG_DONTWAIT | MSG_NOSIGNAL);
            if (count < 0) {
                if (errno == EINTR) continue;
                if (errno != EAGAIN) {
                    send_closed_.store(true);
                    return false;
                }
                has_unsent_.store(true);
                compact();
                return true;
            }
            sent_ += static_cast<std::size_t>(count);
        }
        sent_ = 0;
        out_.clear();
        if (out_.capacity() > kReceiveBytes) out_.shrink_to_fit();
        has_unsent_.store(false);
        return true;
    }

    /// Sent bytes at the front are dropped once they are most of the buffer: it stays near what is
    /// unsent.
    void compact() {
        if (sent_ <= out_.size() / 2) return;
        out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(sent_));
        sent_ = 0;
    }

    void say_goodbye() {
        const std::lock_guard lock(send_mutex_);
        if (!out_.empty() || send_closed_.load()) return;
        protocol::append_goodbye(out_);
        write_out();
    }

    void wake() noexcept {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
    }

    bool all_ended() const noexcept { return ended_.load() == published_.load(); }

    void run() {
        ::pthread_setname_np(::pthread_self(), "daemon-client");
        receive_until_closed();
        send_closed_.store(true);
        gone_.store(true);
        requests_.fail_all(Error{Errc::closed, {}});
        notify_drains();
    }

    void receive_until_closed() {
        std::vector<std::byte> buffer(kReceiveBytes);
        std::size_t filled = 0;
        while (!stopping_.load()) {
            std::array<pollfd, 2> waiters{
                {{.fd = socket_.get(),
                  .events = static_cast<short>(POLLIN | (has_unsent_.load() ? POLLOUT : 0)),
                  .revents = 0},
                 {.fd = wake_.get(), .events = POLLIN, .revents = 0}}};
            if (::poll(waiters.data(), waiters.size(), -1) < 0 && errno != EINTR) return;
            if (waiters[1].revents != 0) {
                std::uint64_t count = 0;
                [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
            }
            if ((waiters[0].revents & POLLOUT) != 0) {
                const std::lock_guard lock(send_mutex_);
                write_out();  // when the daemon is gone, reading tells after what it still sent
            }
            if ((waiters[0].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
            if (!receive(buffer, filled)) return;
        }
    }

    /// Reads once and delivers every whole frame; false when there is nothing more to come.
    bool receive(std::vector<std::byte>& buffer, std::size_t& filled) {
        const auto count =
            ::recv(socket_.get(), buffer.data() + filled, buffer.size() - filled, MSG_DONTWAIT);
        if (count < 0) return errno == EAGAIN || errno == EINTR;
        if (count == 0) return false;
        filled += static_cast<std::size_t>(count);
        std::span<const std::byte> rest(buffer.data(), filled);
        bool open = true;
        while (open) {
            const auto frame = protocol::next_frame(rest);
            if (!frame) {
                open = false;
            } else if (!*frame) {
                break;
            } else {
                open = take_frame(**frame);
                rest = rest.subspan((*frame)->bytes);
            }
        }
        deliver();
        std::copy(rest.begin(), rest.end(), buffer.begin());
        filled = rest.size();
        // A response may be larger than the buffer: it grows for that one and shrinks back.
        const std::size_t wanted =
            std::max(kReceiveBytes, protocol::frame_bytes(std::span(buffer).first(filled)));
        if (wanted != buffer.size() && filled <= wanted) {
            buffer.resize(wanted);
            if (wanted == kReceiveBytes) buffer.shrink_to_fit();
        }
        return open;
    }

    bool take_frame(const protocol::Frame& frame) {
        switch (frame.header.kind) {
            case protocol::Kind::acknowledge:
                return protocol::read_acknowledgements(frame, received_).has_value();
            case protocol::Kind::response: {
                auto response = protocol::read_response(frame);
                if (!response) return false;
                outcomes_[static_cast<std::size_t>(response->outcome)].fetch_add(1);
                requests_.complete(frame.header.token, std::move(*response));
                ended_.fetch_add(1);
                notify_drains();
                return true;
            }
            default:
                return false;  // a goodbye or a refusal: nothing follows
        }
    }

    /// Hands all acknowledgements of one read to the handler.
    void deliver() {
        if (received_.empty()) return;
        for (const auto& acknowledgement : received_) {
            outcomes_[static_cast<std::size_t>(acknowledgement.outcome)].fetch_add(
                1, std::memory_order_relaxed);
        }
        if (on_acknowledged_) on_acknowledged_(received_);
        ended_.fetch_add(received_.size());
        received_.clear();
        notify_drains();
    }

    void notify_drains() {
        if (drains_.load() == 0) return;
        // Empty on purpose: whoever is between its check and its wait holds the mutex, and must not
        // be missed.
        { const std::lock_guard lock(drain_mutex_); }
        drained_.notify_all();
    }

    const std::size_t send_buffer_bytes_max_;
    const base::UniqueFd socket_;
    const pid_t daemon_pid_;
    const base::UniqueFd wake_;
    const AcknowledgementHandler on_acknowledged_;
    RequestTable requests_;

    std::mutex send_mutex_;
    protocol::Buffer out_;
    std::size_t sent_ = 0;                  ///< of out_
    std::atomic<bool> has_unsent_ = false;  ///< the I/O thread waits for room in the socket
    std::atomic<bool> send_closed_ = false;

    std::vector<Acknowledgement> received_;  ///< the I/O thread's
    std::atomic<std::uint64_t> published_ = 0;
    std::array<std::atomic<std::uint64_t>, 4> outcomes_{};  ///< by Outcome
    std::atomic<std::uint64_t> ended_ = 0;                  ///< delivered
    std::atomic<bool> gone_ = false;
    std::atomic<bool> stopping_ = false;
    std::atomic<std::uint32_t> drains_ = 0;
    std::mutex drain_mutex_;
    std::condition_variable drained_;

    std::thread io_thread_;  // last: it uses all of the above
};

}  // namespace

Result<std::unique_ptr<DaemonClient>> DaemonClient::connect(
    const DaemonClientOptions& options, AcknowledgementHandler on_acknowledged) {
    auto connection = connect_to_daemon(options.socket, options.connect_limit);
    if (!connection) return std::unexpected(connection.error());
    base::UniqueFd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!wake) return std::unexpected(base::errno_error("eventfd", errno));
    return std::make_unique<SocketClient>(options, std::move(*connection), std::move(wake),
                                          std::move(on_acknowledged));
}

}  // namespace crucible::runtime
