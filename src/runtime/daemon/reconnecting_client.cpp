#include "runtime/daemon/reconnecting_client.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/rng.h"
#include "runtime/daemon/connect.h"
#include "runtime/daemon/event_frame.h"
#include "runtime/daemon/numbered_queue.h"
#include "runtime/daemon/socket_client.h"
#include "runtime/dispatch/task.h"
#include "runtime/route/keyed_hash.h"

namespace crucible::runtime {
namespace {

/// Events are numbered in the order in which they were published; the number is their token on
/// every connection. Those that are not acknowledged are kept, and published again on the next one.
class ReconnectingClient final : public DaemonClient {
public:
    ReconnectingClient(const DaemonClientOptions& options, AcknowledgementHandler on_acknowledged)
        : options_(options),
          on_acknowledged_(std::move(on_acknowledged)),
          random_(HashKey::random().low) {}

    ~ReconnectingClient() override {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        changed_.notify_all();
        if (reconnector_.joinable()) reconnector_.join();
        client_.reset();
    }

    Result<> begin() {
        auto client = connect();
        if (!client) return std::unexpected(client.error());
        client_ = std::move(*client);
        daemon_pid_.store(client_->daemon_pid());
        {
            const std::lock_guard lock(mutex_);
            connected_ = !lost_;
        }
        reconnector_ = std::thread([this] { run(); });
        return {};
    }

    Result<> publish(const Event& event, std::uint64_t token) override {
        const std::size_t bytes = event_bytes(event);
        if (bytes > kEventBytesMax) return std::unexpected(Error{Errc::invalid_argument, {}});
        const std::lock_guard lock(mutex_);
        if (given_up_) return std::unexpected(Error{Errc::closed, {}});
        if (kept_bytes_ > 0 && kept_bytes_ + bytes > options_.send_buffer_bytes_max)
            return std::unexpected(Error{Errc::overloaded, {}});
        const std::uint64_t number = kept_.next_number();
        bool sent = false;
        if (connected_) {
            const auto published = client_->publish(event, number);
            // A connection that has ended is for the other thread to replace: the event waits.
            if (!published && published.error().code != Errc::closed) return published;
            sent = published.has_value();
            if (!sent) {
                if (auto sendable = check(event); !sendable) return sendable;
            }
        } else if (auto sendable = check(event); !sendable) {
            return sendable;
        }
        kept_.push({.event = event, .token = token, .bytes = bytes, .sent = sent});
        kept_bytes_ += bytes;
        ++published_;
        return {};
    }

    Result<Response> request(const Event& event, Duration limit) override {
        std::shared_ptr<DaemonClient> client;
        {
            std::unique_lock lock(mutex_);
            const auto usable = [this] { return connected_ || given_up_ || stopping_; };
            const TimePoint begun = base::monotonic_now();
            if (!changed_.wait_for(lock, bounded(limit), usable))
                return std::unexpected(Error{Errc::timeout, {}});
            if (!connected_) return std::unexpected(Error{Errc::closed, {}});
            client = client_;
            limit -= base::monotonic_now() - begun;
        }
        auto response = client->request(event, limit);
        // Not under the lock: it may be the last holder, and the client's thread may want the lock.
        client.reset();
        const std::lock_guard lock(mutex_);
        if (response || response.error().code == Errc::timeout) ++published_;
        if (response) ++outcomes_[static_cast<std::size_t>(response->outcome)];
        return response;
    }

    Result<> drain(Duration limit) override {
        std::unique_lock lock(mutex_);
        ++waiting_for_ends_;
        const bool in_time = ended_.wait_for(
            lock, bounded(limit), [this] { return (kept_.empty() && !delivering_) || given_up_; });
        --waiting_for_ends_;
        if (!in_time) return std::unexpected(Error{Errc::timeout, {}});
        if (!kept_.empty()) return std::unexpected(Error{Errc::closed, {}});
        return {};
    }

    CoordinatorStats stats() const override {
        const std::lock_guard lock(mutex_);
        CoordinatorStats stats{.published = published_,
                               .handled = outcomes_[0],
                               .rejected = outcomes_[1],
                               .failed = outcomes_[2],
                               .expired = outcomes_[3],
                               .queued = 0};
        stats.queued =
            stats.published - stats.handled - stats.rejected - stats.failed - stats.expired;
        return stats;
    }

    pid_t daemon_pid() const noexcept override { return daemon_pid_.load(); }

private:
    struct Kept {
        Event event;
        std::uint64_t token = 0;
        std::size_t bytes = 0;
        bool sent = false;  ///< on a connection: a service may have been given it
    };

    /// So that adding Duration::max() to the clock's time cannot overflow.
    static Duration bounded(Duration limit) {
        return std::min<Duration>(limit, std::chrono::hours(24 * 365));
    }

    Result<std::unique_ptr<DaemonClient>> connect() {
        return connect_socket_client(
            options_, [this](std::span<const Acknowledgement> ends) { take(ends); },
            [this] { lose(); });
    }

    /// Whether the next connection will take it: what is kept must not be refused then.
    static Result<> check(const Event& event) {
        protocol::Buffer unused;
        return protocol::append_event(unused, protocol::Kind::publish, 0, event);
    }

    /// In the client's thread.
    void take(std::span<const Acknowledgement> ends) {
        {
            const std::lock_guard lock(mutex_);
            delivering_ = true;
            for (const auto& [number, outcome] : ends) {
                const Kept* const kept = kept_.find(number);
                if (kept == nullptr) continue;
                ++outcomes_[static_cast<std::size_t>(outcome)];
                kept_bytes_ -= kept->bytes;
                acknowledged_.push_back({kept->token, outcome});
                kept_.erase(number);
            }
        }
        // Outside the lock: the handler may take its time. Only one connection lives at a time, so
        // that this is one call at a time.
        if (on_acknowledged_ && !acknowledged_.empty()) on_acknowledged_(acknowledged_);
        acknowledged_.clear();
        bool awaited = false;
        {
            const std::lock_guard lock(mutex_);
            delivering_ = false;
            awaited = waiting_for_ends_ > 0;
        }
        if (awaited) ended_.notify_all();
    }

    /// In the client's thread, as the last thing.
    void lose() {
        {
            const std::lock_guard lock(mutex_);
            connected_ = false;
            lost_ = true;
        }
        changed_.notify_all();
    }

    void run() {
        ::pthread_setname_np(::pthread_self(), "reconnector");
        for (;;) {
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock, [this] { return lost_ || stopping_; });
                if (stopping_) return;
            }
            client_.reset();  // its thread has ended, or is about to
            if (!reconnect()) return;
        }
    }

    /// Until there is a daemon again; false when that took too long, or is not wanted any more.
    bool reconnect() {
        const TimePoint until = base::monotonic_now() + bounded(options_.reconnect_for);
        for (std::uint32_t tries = 1;; ++tries) {
            {
                const std::lock_guard lock(mutex_);
                lost_ = false;
            }
            if (auto client = connect()) {
                resume(std::move(*client));
                return true;
            }
            const Duration left = until - base::monotonic_now();
            const auto delay = kReconnecting.delay(tries, left, random_);
            std::unique_lock lock(mutex_);
            const bool ended = left <= Duration::zero() || !delay ||
                               changed_.wait_for(lock, *delay, [this] { return stopping_; });
            if (!ended) continue;
            given_up_ = true;
            lock.unlock();
            changed_.notify_all();
            ended_.notify_all();
            return false;
        }
    }

    /// Publishes what is kept again, in its order, before anything new.
    void resume(std::unique_ptr<DaemonClient> client) {
        daemon_pid_.store(client->daemon_pid());
        std::uint64_t number = 0;
        std::unique_lock lock(mutex_);
        client_ = std::move(client);
        while (!lost_ && !stopping_) {
            const auto* const entry = kept_.from(number);  // acknowledgements come meanwhile
            if (entry == nullptr) {
                connected_ = true;
                break;
            }
            Kept& kept = *kept_.find(entry->number);
            // The daemon may have died after the work: its services are to know that.
            if (kept.sent) kept.event.attempt = std::max(kept.event.attempt, 2u);
            const auto published = client_->publish(kept.event, entry->number);
            if (published) {
                kept.sent = true;
                number = entry->number + 1;
                continue;
            }
            if (published.error().code != Errc::overloaded) break;  // lost again
            // The daemon does not keep up: some acknowledgements have to come first.
            ++waiting_for_ends_;
            ended_.wait_for(lock, std::chrono::milliseconds(1));
            --waiting_for_ends_;
        }
        lock.unlock();
        changed_.notify_all();
    }

    const DaemonClientOptions options_;
    const AcknowledgementHandler on_acknowledged_;
    base::Rng random_;  ///< the reconnector's
    std::atomic<pid_t> daemon_pid_ = 0;

    mutable std::mutex mutex_;
    std::condition_variable changed_;  ///< one of the four flags
    std::condition_variable ended_;    ///< some of kept_
    std::uint32_t waiting_for_ends_ = 0;
    bool connected_ = false;
    bool lost_ = false;  ///< the connection of client_ has ended
    bool given_up_ = false;
    bool delivering_ = false;  ///< the handler is told of what has left kept_
    bool stopping_ = false;
    NumberedQueue<Kept> kept_;  ///< published, and not acknowledged
    std::size_t kept_bytes_ = 0;
    std::uint64_t published_ = 0;
    std::array<std::uint64_t, 4> outcomes_{};  ///< by Outcome

    std::vector<Acknowledgement> acknowledged_;  ///< the client's thread's
    std::shared_ptr<DaemonClient> client_;       ///< changed by the reconnector alone, under mutex_
    std::thread reconnector_;
};

}  // namespace

Result<std::unique_ptr<DaemonClient>> connect_reconnecting_client(
    const DaemonClientOptions& options, AcknowledgementHandler on_acknowledged) {
    auto client = std::make_unique<ReconnectingClient>(options, std::move(on_acknowledged));
    if (auto begun = client->begin(); !begun) return std::unexpected(begun.error());
    return client;
}

}  // namespace crucible::runtime
