#include <fmt/format.h>
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
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "crucible/daemon_service.h"
#include "runtime/daemon/connect.h"
#include "runtime/daemon/event_frame.h"
#include "runtime/daemon/protocol.h"
#include "runtime/daemon/service_frame.h"
#include "runtime/dispatch/run_service.h"
#include "runtime/route/keyed_hash.h"

namespace crucible::runtime {
namespace {

constexpr std::size_t kReadBytes = 64u << 10;
/// Beyond it a buffer's memory is given back.
constexpr std::size_t kKeptBufferBytes = 1u << 20;

std::unexpected<Error> lost(Errc code, std::string message) {
    return std::unexpected(Error{code, std::move(message)});
}

int milliseconds_of(Duration limit) noexcept {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit);
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000'000));
}

/// What waiting cannot change.
bool is_final(Errc code) noexcept {
    return code == Errc::invalid_argument || code == Errc::permission_denied ||
           code == Errc::unsupported;
}

/// The daemon's frames come in, the service handles what they bring, and the settlements go out,
/// all in one thread: the daemon sends ahead as far as the credits go, and always reads
/// settlements.
class ServiceClient final : public DaemonService {
public:
    ServiceClient(const DaemonServiceOptions& options, Service& service, base::UniqueFd stop)
        : options_(options),
          service_(service),
          stop_(std::move(stop)),
          random_(HashKey::random().low),
          results_(kBatchMax) {
        if (options_.categories.empty()) options_.categories = {service.category()};
        events_.resize(kBatchMax);
    }

    ~ServiceClient() override {
        request_stop();
        if (thread_.joinable()) thread_.join();
    }

    Result<> begin() {
        if (auto registered = register_anew(); !registered) return registered;
        thread_ = std::thread([this] { run(); });
        return {};
    }

    void request_stop() noexcept override {
        stop_requested_.store(true);
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(stop_.get(), &one, sizeof one);
    }

    Result<> wait() override {
        std::unique_lock lock(end_mutex_);
        ended_.wait(lock, [this] { return end_.has_value(); });
        return *end_;
    }

    DaemonServiceStats stats() const override {
        return {.events = handed_over_.load(),
                .redelivered = redelivered_.load(),
                .handled = handled_.load(),
                .connections = connections_.load()};
    }

private:
    void run() {
        ::pthread_setname_np(::pthread_self(), "daemon-service");
        Result<> end;
        for (;;) {
            end = serve();
            transport_.reset();
            if (end || stop_requested_.load()) break;
            if (options_.daemon.reconnect_for <= Duration::zero() || is_final(end.error().code))
                break;
            if (auto found = find_daemon(); !found) {
                end = found;
                break;
            }
            if (transport_ == nullptr) {  // stopped meanwhile
                end = {};
                break;
            }
        }
        {
            const std::lock_guard lock(end_mutex_);
            end_ = std::move(end);
        }
        ended_.notify_all();
    }

    /// Until it is registered with a daemon again, or is to stop.
    Result<> find_daemon() {
        const TimePoint until =
            base::monotonic_now() +
            std::min<Duration>(options_.daemon.reconnect_for, std::chrono::hours(24 * 365));
        for (std::uint32_t tries = 1; !stop_requested_.load(); ++tries) {
            const auto registered = register_anew();
            if (registered) return {};
            transport_.reset();
            const Duration left = until - base::monotonic_now();
            const auto delay = kReconnecting.delay(tries, left, random_);
            if (is_final(registered.error().code)) return registered;
            if (left <= Duration::zero() || !delay)
                return lost(Errc::closed, registered.error().message);
            pollfd waiter{.fd = stop_.get(), .events = POLLIN, .revents = 0};
            ::poll(&waiter, 1, milliseconds_of(*delay));
        }
        return {};
    }

    Result<> register_anew() {
        auto connection = connect_to_daemon(options_.daemon);
        if (!connection) return std::unexpected(connection.error());
        transport_ = std::move(connection->transport);
        in_.clear();
        out_.clear();
        writer_ = {};
        held_ = 0;
        subscribed_ = unsubscribing_ = unsubscribed_ = false;
        protocol::append_subscription(out_, {.name = std::string(service_.name()),
                                             .categories = options_.categories,
                                             .credits = options_.credits});
        if (auto sent = send(); !sent) return sent;
        const TimePoint until = base::monotonic_now() + options_.daemon.connect_limit;
        while (!subscribed_) {
            if (stop_requested_.load()) return lost(Errc::closed, "stopped");
            if (auto received = receive(until); !received) return received;
        }
        connections_.fetch_add(1);
        return {};
    }

    /// Until it was told to stop and has, or the connection is lost.
    Result<> serve() {
        // What came with the frame that ended the registration.
        if (auto taken = take_frames(); !taken) return taken;
        for (;;) {
            std::optional<TimePoint> until;
            if (stop_requested_.load()) {
                if (!std::exchange(unsubscribing_, true))
                    protocol::append_empty(out_, protocol::Kind::unsubscribe);
                until = base::monotonic_now() + options_.daemon.connect_limit;
            }
            if (unsubscribed_) protocol::append_goodbye(out_);
            if (auto sent = send(); !sent) return sent;
            if (unsubscribed_) return {};
            if (auto received = receive(until); !received) return received;
        }
    }

    /// Reads once and does what the frames say; also returns, at once, when it was told to stop.
    /// - Errc::timeout: nothing came until then. - Errc::closed, or what the daemon refused with.
    Result<> receive(std::optional<TimePoint> until) {
        if (!transport_->holds_input()) {
            const int limit_ms = until ? milliseconds_of(*until - base::monotonic_now()) : -1;
            std::array<pollfd, 2> waiters{
                {{.fd = transport_->fd(),
                  .events = static_cast<short>(transport_->read_events()),
                  .revents = 0},
                 {.fd = unsubscribing_ ? -1 : stop_.get(), .events = POLLIN, .revents = 0}}};
            const int ready = ::poll(waiters.data(), waiters.size(), limit_ms);
            if (ready == 0) return lost(Errc::timeout, "the daemon does not answer");
            if (ready < 0 && errno != EINTR)
                return std::unexpected(base::errno_error("poll", errno));
            if (ready < 0 || waiters[0].revents == 0) return {};
            transport_->woken();
        }
        const std::size_t had = in_.size();
        in_.resize(std::max(had + kReadBytes, protocol::frame_bytes(in_)));
        const auto count = transport_->read(std::span(in_).subspan(had));
        in_.resize(had + count.value_or(0));
        if (!count) {
            if (count.error().code != Errc::closed) return std::unexpected(count.error());
            return lost(Errc::closed, "the daemon closed the connection");
        }
        return take_frames();
    }

    Result<> take_frames() {
        std::span<const std::byte> rest = in_;
        while (!rest.empty()) {
            const auto frame = protocol::next_frame(rest);
            if (!frame) return std::unexpected(frame.error());
            if (!*frame) break;
            if (auto taken = take_frame(**frame); !taken) return taken;
            rest = rest.subspan((*frame)->bytes);
            // What follows is for the thread that runs the service.
            if ((*frame)->header.kind == protocol::Kind::subscribed) break;
            if (held_ == kBatchMax) {
                if (auto handled = handle(); !handled) return handled;
            }
        }
        if (auto handled = handle(); !handled) return handled;
        in_.erase(in_.begin(), in_.end() - static_cast<std::ptrdiff_t>(rest.size()));
        if (in_.empty() && in_.capacity() > kKeptBufferBytes) protocol::Buffer().swap(in_);
        return {};
    }

    Result<> take_frame(const protocol::Frame& frame) {
        switch (frame.header.kind) {
            case protocol::Kind::subscribed:
                subscribed_ = true;
                return {};
            case protocol::Kind::deliver: {
                const auto body = protocol::read_event(frame.body, target_names_);
                if (!body) return std::unexpected(body.error());
                if (auto decoded = protocol::decode_body(*body, events_[held_]); !decoded)
                    return decoded;
                numbers_[held_++] = frame.header.token;
                return {};
            }
            case protocol::Kind::unsubscribe:
                unsubscribed_ = true;
                return {};
            case protocol::Kind::refuse:
                return std::unexpected(protocol::refusal_of(frame));
            case protocol::Kind::goodbye:
                return lost(Errc::closed, "the daemon stopped");
            default:
                return lost(Errc::corrupt, fmt::format("the daemon sent a frame of kind {}",
                                                       static_cast<unsigned>(frame.header.kind)));
        }
    }

    /// Has the service handle what is held, and settles it.
    Result<> handle() {
        if (held_ == 0) return {};
        const std::span events = std::span(events_).first(held_);
        const std::span results = std::span(results_).first(held_);
        pointers_.clear();
        std::uint64_t redelivered = 0;
        for (const Event& event : events) {
            pointers_.push_back(&event);
            redelivered += event.redelivered() ? 1 : 0;
        }
        for (auto& result : results) result = {};
        run_service(service_, pointers_, results);
        for (std::size_t i = 0; i < held_; ++i) writer_.add(out_, numbers_[i], results[i]);
        writer_.finish(out_);
        const auto handled = static_cast<std::uint64_t>(
            std::ranges::count(results, Outcome::handled, &HandleResult::outcome));
        handed_over_.fetch_add(std::exchange(held_, 0));
        redelivered_.fetch_add(redelivered);
        handled_.fetch_add(handled);
        return send();
    }

    /// Sends all that is to be sent.
    Result<> send() {
        std::size_t sent = 0;
        while (sent < out_.size()) {
            const auto count = transport_->write(std::span(out_).subspan(sent));
            if (!count) return std::unexpected(count.error());
            sent += *count;
            if (sent == out_.size()) break;
            if (transport_->has_room()) continue;
            pollfd waiter{.fd = transport_->fd(),
                          .events = static_cast<short>(transport_->write_events()),
                          .revents = 0};
            const int ready = ::poll(&waiter, 1, milliseconds_of(options_.daemon.connect_limit));
            if (ready == 0) return lost(Errc::timeout, "the daemon does not read settlements");
            if (ready < 0 && errno != EINTR)
                return std::unexpected(base::errno_error("poll", errno));
            transport_->woken();
        }
        out_.clear();
        if (out_.capacity() > kKeptBufferBytes) protocol::Buffer().swap(out_);
        return {};
    }

    DaemonServiceOptions options_;
    Service& service_;
    const base::UniqueFd stop_;  ///< readable for good once told to stop
    std::atomic<bool> stop_requested_ = false;
    base::Rng random_;

    // Of the connection:
    std::unique_ptr<Transport> transport_;
    protocol::Buffer in_;
    protocol::Buffer out_;
    protocol::SettlementWriter writer_;
    bool subscribed_ = false;
    bool unsubscribing_ = false;
    bool unsubscribed_ = false;

    // The events at hand; reused.
    std::vector<Event> events_;
    std::array<std::uint64_t, kBatchMax> numbers_{};
    std::size_t held_ = 0;
    std::vector<std::string_view> target_names_;
    std::vector<const Event*> pointers_;
    std::vector<HandleResult> results_;

    std::atomic<std::uint64_t> handed_over_ = 0;
    std::atomic<std::uint64_t> redelivered_ = 0;
    std::atomic<std::uint64_t> handled_ = 0;
    std::atomic<std::uint64_t> connections_ = 0;

    std::mutex end_mutex_;
    std::condition_variable ended_;
    std::optional<Result<>> end_;

    std::thread thread_;  // last: it uses all of the above
};

}  // namespace
}  // namespace crucible::runtime

namespace crucible {

Result<std::unique_ptr<DaemonService>> DaemonService::start(const DaemonServiceOptions& options,
                                                            Service& service) {
    base::UniqueFd stop(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!stop) return std::unexpected(base::errno_error("eventfd", errno));
    auto client = std::make_unique<runtime::ServiceClient>(options, service, std::move(stop));
    if (auto begun = client->begin(); !begun) return std::unexpected(begun.error());
    return client;
}

}  // namespace crucible
