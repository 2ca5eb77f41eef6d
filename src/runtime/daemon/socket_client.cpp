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
#include "crucible/allocation.h"
#include "runtime/coordinator/request_table.h"
#include "runtime/daemon/connect.h"
#include "runtime/daemon/outbox.h"
#include "runtime/daemon/protocol.h"

namespace crucible::runtime {
namespace {

const AllocationOwner kStubOwner("client stub");

using namespace std::chrono_literals;

constexpr std::size_t kReceiveBytes = 64u << 10;
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

/// With so many in flight and more coming, acknowledgements are fetched at each look instead of
/// waking the I/O thread, which takes the publisher's core: a look more is little beside what such
/// events wait anyway.
constexpr std::uint64_t kManyInFlight = 1024;

/// Publishers send through the Outbox; the I/O thread sends what they left behind, and reads the
/// acknowledgements.
class SocketClient final : public DaemonClient {
public:
    SocketClient(const DaemonClientOptions& options, Connection connection, base::UniqueFd wake,
                 AcknowledgementHandler on_acknowledged, std::function<void()> on_gone)
        : transport_(std::move(connection.transport)),
          daemon_pid_(connection.daemon_pid),
          wake_(std::move(wake)),
          on_acknowledged_(std::move(on_acknowledged)),
          on_gone_(std::move(on_gone)),
          outbox_(*transport_, options.send_buffer_bytes_max, connection.credit, ended_,
                  [this] { this->wake(); }),
          io_thread_([this] { run(); }) {}

    ~SocketClient() override {
        outbox_.put_goodbye();
        stopping_.store(true);
        wake();
        io_thread_.join();
    }

    Result<> publish(const Event& event, std::uint64_t token) override {
        const AllocationScope scope(kStubOwner);
        return outbox_.put(protocol::Kind::publish, event, token, /*urgent=*/false);
    }

    Result<Response> request(const Event& event, Duration limit) override {
        const AllocationScope scope(kStubOwner);
        const std::uint64_t id = requests_.begin();
        if (auto accepted = outbox_.put(protocol::Kind::request, event, id, /*urgent=*/true);
            !accepted) {
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
        if (gone_.load()) return std::unexpected(end_);
        return std::unexpected(Error{Errc::timeout, {}});
    }

    CoordinatorStats stats() const override {
        CoordinatorStats stats;
        // Ended before published: what ends in between is then counted as queued, never below zero.
        stats.handled = outcomes_[static_cast<std::size_t>(Outcome::handled)].load();
        stats.rejected = outcomes_[static_cast<std::size_t>(Outcome::rejected)].load();
        stats.failed = outcomes_[static_cast<std::size_t>(Outcome::failed)].load();
        stats.expired = outcomes_[static_cast<std::size_t>(Outcome::expired)].load();
        stats.published = outbox_.put_events();
        stats.queued =
            stats.published - stats.handled - stats.rejected - stats.failed - stats.expired;
        return stats;
    }

    pid_t daemon_pid() const noexcept override { return daemon_pid_; }

private:
    void wake() noexcept {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
    }

    std::uint64_t in_flight() const noexcept { return outbox_.put_events() - ended_.load(); }
    bool all_ended() const noexcept { return in_flight() == 0; }

    void run() {
        ::pthread_setname_np(::pthread_self(), "daemon-client");
        const AllocationScope scope(kStubOwner);
        receive_until_closed();
        outbox_.close();
        gone_.store(true);
        requests_.fail_all(end_);
        notify_drains();
        if (on_gone_) on_gone_();
    }

    void receive_until_closed() {
        base::set_precise_timers();
        std::vector<std::byte> buffer(kReceiveBytes);
        std::size_t filled = 0;
        std::uint64_t published_before = 0;
        bool busy = false;
        while (!stopping_.load()) {
            outbox_.send_due();
            if (outbox_.waits_for_room() && transport_->has_room()) outbox_.go_on();
            const bool many = busy && in_flight() >= kManyInFlight;
            // In this order: who announces that it waits is woken, which costs the daemon a call.
            if (!many && (spin_for_answer() || transport_->holds_input())) {
                if (!receive(buffer, filled)) return;
                continue;
            }
            const std::uint64_t published = outbox_.put_events();
            busy = published - std::exchange(published_before, published) >= kBusy;
            std::array<pollfd, 2> waiters{};
            if (!wait(waiters, busy || many, many ? 0 : transport_->read_events())) return;
            if (waiters[1].revents != 0) {
                std::uint64_t count = 0;
                [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
            }
            if (waiters[0].revents != 0) transport_->woken();
            // When the daemon is gone, reading tells, after what it still sent.
            if (outbox_.waits_for_room() && happened(waiters[0], transport_->write_events()))
                outbox_.go_on();
            if (!many && !happened(waiters[0], transport_->read_events() | EPOLLHUP | EPOLLERR))
                continue;
            if (!receive(buffer, filled)) return;
        }
    }

    static bool happened(const pollfd& waiter, std::uint32_t events) {
        return (static_cast<unsigned short>(waiter.revents) & events) != 0;
    }

    /// Waits for a call, and for `read_events` or room at the socket; while there is much to do, or
    /// something is held, no longer than events may be held. False when that fails.
    bool wait(std::span<pollfd> waiters, bool busy, std::uint32_t read_events) {
        // Looked at after the sleep was announced: who finds the transport full from now on calls.
        const bool sleeps =
            !busy && outbox_.may_sleep() && !(outbox_.waits_for_room() && transport_->has_room());
        if (!sleeps) has_rested_ = false;
        if (sleeps && has_rested_) outbox_.release_memory();
        const timespec look{.tv_sec = 0, .tv_nsec = kLook.count()};
        const timespec rest{.tv_sec = 0, .tv_nsec = kRest.count()};
        const timespec* limit = has_rested_ ? nullptr : &rest;
        if (!sleeps) limit = &look;
        const std::uint32_t events =
            read_events | (outbox_.waits_for_room() ? transport_->write_events() : 0u);
        waiters[0] = {.fd = transport_->fd(), .events = static_cast<short>(events), .revents = 0};
        waiters[1] = {.fd = wake_.get(), .events = POLLIN, .revents = 0};
        const int count = ::ppoll(waiters.data(), waiters.size(), limit, nullptr);
        outbox_.awake();
        if (count == 0 && limit == &rest) has_rested_ = true;
        return count >= 0 || errno == EINTR;
    }

    /// True when something arrived.
    bool spin_for_answer() {
        const std::uint64_t due = in_flight();
        if (due == 0 || due > kFewInFlight || !spin_.worthwhile()) return false;
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
                end_.message = "not a crucible daemon: " + frame.error().message;
                open = false;
            } else if (!*frame) {
                break;
            } else {
                open = take_frame(**frame);
                rest = rest.subspan((*frame)->bytes);
            }
        }
        deliver();
        if (!open) return false;
        std::copy(rest.begin(), rest.end(), buffer.begin());
        filled = rest.size();
        // A response may be larger than the buffer: it grows for that one and shrinks back.
        const std::size_t wanted =
            std::max(kReceiveBytes, protocol::frame_bytes(std::span(buffer).first(filled)));
        if (wanted != buffer.size() && filled <= wanted) {
            buffer.resize(wanted);
            if (wanted == kReceiveBytes) buffer.shrink_to_fit();
        }
        return true;
    }

    bool take_frame(const protocol::Frame& frame) {
        switch (frame.header.kind) {
            case protocol::Kind::acknowledge:
                return protocol::read_acknowledgements(frame, in_flight() - received_.size(),
                                                       received_)
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
            case protocol::Kind::credit:
                outbox_.raise_credit(frame.header.token);
                return true;
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

    const std::unique_ptr<Transport> transport_;
    const pid_t daemon_pid_;
    const base::UniqueFd wake_;
    const AcknowledgementHandler on_acknowledged_;
    const std::function<void()> on_gone_;
    RequestTable requests_;

    std::atomic<std::uint64_t> ended_ = 0;  ///< delivered
    Outbox outbox_;

    base::BriefSpin spin_;    ///< the I/O thread's
    bool has_rested_ = true;  ///< the I/O thread's: nothing is left to give back

    std::vector<Acknowledgement> received_;                 ///< the I/O thread's
    std::array<std::atomic<std::uint64_t>, 4> outcomes_{};  ///< by Outcome
    Error end_{Errc::closed, {}};                           ///< the I/O thread's until gone_
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
