#include "runtime/daemon/socket_client.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "base/brief_spin.h"
#include "base/clock.h"
#include "runtime/coordinator/request_table.h"
#include "runtime/daemon/connect.h"
#include "runtime/daemon/event_frame.h"
#include "runtime/daemon/protocol.h"

namespace crucible::runtime {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kReceiveBytes = 64u << 10;
/// A system call costs about as much as copying so much: what is larger gains nothing by waiting.
constexpr std::size_t kBatchBytes = 128u << 10;
/// What a buffer keeps between events, and while the client sleeps.
constexpr std::size_t kKeptBytes = 32u << 20;
constexpr std::size_t kIdleBytes = 4096;
/// Events that follow each other faster than this are sent together, and where many are in flight
/// wait for company until they are a quarter of them: that adds at most a quarter to what they wait
/// anyway. But none waits longer than kHoldMost.
constexpr Duration kHold = 20us;
constexpr Duration kHoldMost = 200us;
/// How often the I/O thread looks after what is held. As long as at least kBusy events come between
/// two looks it goes on looking by itself, so that nobody has to wake it for each batch.
constexpr Duration kLook = 50us;
/// After so long without events the client gives back the memory of its buffers: making it anew
/// costs more than filling it, and who publishes in bursts would pay that for each of them.
constexpr Duration kRest = 100ms;
constexpr std::uint64_t kBusy = 4;
/// The I/O thread spins for an answer only where few are due: with many it is the publisher who
/// needs the core.
constexpr std::uint64_t kFewInFlight = 4;

/// Publishers put events into batch_ and, where a batch is due, write it to the socket themselves:
/// when it is full, when the last one left kHold ago, or at once when nothing else is in flight.
/// The I/O thread sends what publishers left behind and what the socket did not take, and reads the
/// acknowledgements.
class SocketClient final : public DaemonClient {
public:
    SocketClient(const DaemonClientOptions& options, Connection connection, base::UniqueFd wake,
                 AcknowledgementHandler on_acknowledged, std::function<void()> on_gone)
        : send_buffer_bytes_max_(options.send_buffer_bytes_max),
          transport_(std::move(connection.transport)),
          daemon_pid_(connection.daemon_pid),
          wake_(std::move(wake)),
          on_acknowledged_(std::move(on_acknowledged)),
          on_gone_(std::move(on_gone)),
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
        bool due = false;
        std::uint64_t batch = 0;
        std::size_t end = 0;
        {
            const std::lock_guard lock(batch_mutex_);
            if (send_closed_.load()) return std::unexpected(Error{Errc::closed, {}});
            const std::size_t unsent = batch_.size() + unsent_bytes_.load();
            if (unsent >= send_buffer_bytes_max_)
                return std::unexpected(Error{Errc::overloaded, {}});
            const std::size_t start = batch_.size();
            if (auto encoded = protocol::append_event(batch_, kind, token, event); !encoded)
                return encoded;
            if (unsent > 0 && unsent - start + batch_.size() > send_buffer_bytes_max_) {
                batch_.resize(start);
                return std::unexpected(Error{Errc::overloaded, {}});
            }
            batch = batch_number_;
            end = batch_.size();
            // Counted before it leaves: its acknowledgement may come before this returns.
            published_.fetch_add(1);
            ++batch_events_;
            due = kind == protocol::Kind::request || batch_due();
        }
        if (due) {
            flush();
            if (never_left(batch, end)) {
                published_.fetch_sub(1);
                return std::unexpected(Error{Errc::closed, {}});
            }
        } else if (asleep_.exchange(false)) {
            wake();
        }
        return {};
    }

    /// Whether an event that ends at `end` of that batch did not leave whole: the daemon cannot
    /// have accepted it.
    bool never_left(std::uint64_t batch, std::size_t end) const {
        const std::uint64_t lost = lost_from_.load();
        return lost < batch || (lost == batch && end > lost_sent_.load());
    }

    /// Whether the batch has waited long enough. Under batch_mutex_.
    bool batch_due() const {
        if (has_unsent_.load()) return false;  // the socket is full; the I/O thread will tell
        if (batch_.size() >= kBatchBytes) return true;
        const std::uint64_t in_flight = published_.load() - ended_.load();
        if (in_flight <= batch_events_) return true;  // nothing else is
        const Duration held = base::monotonic_now() - last_flush_;
        return held >= kHoldMost || (held >= kHold && 4 * batch_events_ >= in_flight);
    }

    /// Sends the batch. When somebody else is sending, they send it too: nobody waits.
    void flush() {
        flush_asked_.store(true);
        while (flush_asked_.load()) {
            std::unique_lock lock(write_mutex_, std::try_to_lock);
            if (!lock) return;
            while (flush_asked_.exchange(false)) write_out();
        }
    }

    /// Sends what the socket takes now, first what it did not take before. Under write_mutex_.
    void write_out() {
        while (!send_closed_.load()) {
            if (sent_ == writing_.size()) {
                sent_ = 0;
                writing_.clear();
                if (writing_.capacity() > kKeptBytes) protocol::Buffer().swap(writing_);
                const std::lock_guard lock(batch_mutex_);
                last_flush_ = base::monotonic_now();
                batch_.swap(writing_);
                batch_events_ = 0;
                writing_number_ = batch_number_++;
                unsent_bytes_.store(writing_.size());
            }
            if (writing_.empty()) break;
            const auto count = transport_->write(std::span(writing_).subspan(sent_));
            if (!count) {
                send_closed_.store(true);
                lost_sent_.store(sent_);
                lost_from_.store(writing_number_);
                break;
            }
            sent_ += *count;
            unsent_bytes_.store(writing_.size() - sent_);
            if (sent_ < writing_.size()) {
                // The I/O thread waits for room.
                if (!has_unsent_.exchange(true)) wake();
                return;
            }
        }
        has_unsent_.store(false);
    }

    void say_goodbye() {
        {
            const std::lock_guard lock(batch_mutex_);
            if (send_closed_.load()) return;
            protocol::append_goodbye(batch_);
        }
        flush();
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
        if (on_gone_) on_gone_();
    }

    void receive_until_closed() {
        base::set_precise_timers();
        std::vector<std::byte> buffer(kReceiveBytes);
        std::size_t filled = 0;
        std::uint64_t published_before = 0;
        while (!stopping_.load()) {
            if (due()) flush();
            if (has_unsent_.load() && transport_->has_room()) {
                has_unsent_.store(false);
                flush();
            }
            // In this order: who announces that it waits is woken, which costs the daemon a call.
            if (spin_for_answer() || transport_->holds_input()) {
                if (!receive(buffer, filled)) return;
                continue;
            }
            const std::uint64_t published = published_.load();
            const bool busy = published - std::exchange(published_before, published) >= kBusy;
            std::array<pollfd, 2> waiters{
                {{.fd = transport_->fd(), .events = awaited_events(), .revents = 0},
                 {.fd = wake_.get(), .events = POLLIN, .revents = 0}}};
            if (!wait(waiters, busy || held())) return;
            if (waiters[1].revents != 0) {
                std::uint64_t count = 0;
                [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
            }
            if (waiters[0].revents != 0) transport_->woken();
            if (has_unsent_.load() && happened(waiters[0], transport_->write_events())) {
                has_unsent_.store(false);
                flush();  // when the daemon is gone, reading tells after what it still sent
            }
            if (!happened(waiters[0], transport_->read_events() | EPOLLHUP | EPOLLERR)) continue;
            if (!receive(buffer, filled)) return;
        }
    }

    short awaited_events() const {
        return static_cast<short>(transport_->read_events() |
                                  (has_unsent_.load() ? transport_->write_events() : 0u));
    }
    static bool happened(const pollfd& waiter, std::uint32_t events) {
        return (static_cast<unsigned short>(waiter.revents) & events) != 0;
    }

    /// Waits for the socket or a call; while `active`, no longer than events may be held. False
    /// when that fails.
    bool wait(std::span<pollfd> waiters, bool active) {
        if (active) has_rested_ = false;
        if (!active && has_rested_) {
            release_buffers();
            if (flush_asked_.load()) flush();  // somebody found the buffers taken
        }
        const timespec look{.tv_sec = 0, .tv_nsec = kLook.count()};
        const timespec rest{.tv_sec = 0, .tv_nsec = kRest.count()};
        asleep_.store(!active);
        // Published before it was said: nobody will call.
        if (!active && held()) asleep_.store(false);
        const timespec* limit = has_rested_ ? nullptr : &rest;
        if (!asleep_.load()) limit = &look;
        const int count = ::ppoll(waiters.data(), waiters.size(), limit, nullptr);
        asleep_.store(false);
        if (count == 0 && limit == &rest) has_rested_ = true;
        return count >= 0 || errno == EINTR;
    }

    void release_buffers() {
        const std::unique_lock writing(write_mutex_, std::try_to_lock);
        if (!writing) return;
        const std::lock_guard lock(batch_mutex_);
        if (sent_ == writing_.size() && writing_.capacity() > kIdleBytes) {
            sent_ = 0;
            protocol::Buffer().swap(writing_);
        }
        if (batch_.empty() && batch_.capacity() > kIdleBytes) protocol::Buffer().swap(batch_);
    }

    bool held() {
        const std::lock_guard lock(batch_mutex_);
        return !batch_.empty();
    }
    bool due() {
        const std::lock_guard lock(batch_mutex_);
        return !batch_.empty() && batch_due();
    }

    /// True when something arrived.
    bool spin_for_answer() {
        const std::uint64_t in_flight = published_.load() - ended_.load();
        if (in_flight == 0 || in_flight > kFewInFlight || !spin_.worthwhile()) return false;
        const TimePoint until = base::monotonic_now() + base::BriefSpin::kLimit;
        do {
            if (!transport_->has_arrived()) continue;
            spin_.ended(true);
            return true;
        } while (base::monotonic_now() < until);
        spin_.ended(false);
        return false;
    }

    /// Reads once and delivers every whole frame; false when there is nothing more to come.
    bool receive(std::vector<std::byte>& buffer, std::size_t& filled) {
        const auto count = transport_->read(std::span(buffer).subspan(filled));
        if (!count) return false;
        if (*count == 0) return true;
        filled += *count;
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
                return protocol::read_acknowledgements(
                           frame, published_.load() - ended_.load() - received_.size(), received_)
                    .has_value();
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
    const std::unique_ptr<Transport> transport_;
    const pid_t daemon_pid_;
    const base::UniqueFd wake_;
    const AcknowledgementHandler on_acknowledged_;
    const std::function<void()> on_gone_;
    RequestTable requests_;

    std::mutex batch_mutex_;
    protocol::Buffer batch_;          ///< to be sent
    std::uint64_t batch_number_ = 0;  ///< of it
    std::uint64_t batch_events_ = 0;  ///< in it
    TimePoint last_flush_;

    std::mutex write_mutex_;  ///< taken before batch_mutex_ where both are
    protocol::Buffer writing_;
    std::uint64_t writing_number_ = 0;
    std::atomic<std::size_t> lost_sent_ = 0;             ///< so much of batch lost_from_ did leave
    std::atomic<std::uint64_t> lost_from_ = UINT64_MAX;  ///< this batch and later ones never left
    std::size_t sent_ = 0;                               ///< of writing_
    std::atomic<std::size_t> unsent_bytes_ = 0;          ///< of writing_
    std::atomic<bool> flush_asked_ = false;
    std::atomic<bool> has_unsent_ = false;  ///< the I/O thread waits for room in the socket
    std::atomic<bool> send_closed_ = false;
    std::atomic<bool> asleep_ = false;  ///< the I/O thread must be woken for what is held
    base::BriefSpin spin_;              ///< the I/O thread's
    bool has_rested_ = true;            ///< the I/O thread's: nothing is left to give back

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

Result<std::unique_ptr<DaemonClient>> connect_socket_client(const DaemonClientOptions& options,
                                                            AcknowledgementHandler on_acknowledged,
                                                            std::function<void()> on_gone) {
    auto connection = connect_to_daemon(options);
    if (!connection) return std::unexpected(connection.error());
    base::UniqueFd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!wake) return std::unexpected(base::errno_error("eventfd", errno));
    return std::make_unique<SocketClient>(options, std::move(*connection), std::move(wake),
                                          std::move(on_acknowledged), std::move(on_gone));
}

}  // namespace crucible::runtime
