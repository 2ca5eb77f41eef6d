#include "lab/target/synthetic.h"

#include <fmt/format.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "lab/pace/pacer.h"
#include "lab/target/endpoint.h"
#include "lab/target/shared_queue.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

constexpr Duration kServiceDefault = 100us;

class SyntheticSystem final : public System {
public:
    SyntheticSystem(std::unique_ptr<SharedQueue> queue, Duration latency)
        : queue_(std::move(queue)), latency_(latency) {}

    std::string endpoint() const override {
        return fmt::format("synthetic:{}?latency={}ns", queue_->path(), latency_.count());
    }
    std::vector<pid_t> processes() const override { return {}; }
    std::optional<std::string> data_directory() const override { return std::nullopt; }
    std::optional<std::string> failure() override { return std::nullopt; }
    Result<> stop() override { return {}; }

private:
    std::unique_ptr<SharedQueue> queue_;
    Duration latency_;
};

/// Delivers each completion from a thread of its own at the time that the queue gave.
class SyntheticTarget final : public Target {
public:
    SyntheticTarget(std::unique_ptr<SharedQueue> queue, Duration latency, CompletionHandler handler)
        : queue_(std::move(queue)),
          latency_(latency),
          handler_(std::move(handler)),
          deliverer_([this](const std::stop_token& stop) { deliver(stop); }) {}

    Result<> send(const Event&, std::uint64_t token) override {
        const auto end = queue_->arrive();
        if (!end) return std::unexpected(Error{Errc::overloaded, {}});
        const std::lock_guard lock(mutex_);
        pending_.push_back({*end + latency_, token});
        // A deliverer with something to wait for looks again by itself: later events end later.
        if (pending_.size() == 1) arrived_.notify_one();
        return {};
    }

    Result<> drain(Duration limit) override {
        std::unique_lock lock(mutex_);
        if (delivered_.wait_for(lock, limit, [this] { return pending_.empty(); })) return {};
        return std::unexpected(Error{Errc::timeout, "synthetic: events are still being served"});
    }

private:
    struct Pending {
        TimePoint at;
        std::uint64_t token;
    };

    void deliver(const std::stop_token& stop) {
        base::set_precise_timers();
        base::SteadyClock clock;
        Pacer pacer(clock, Pacing::precise, wake_margin(clock));
        std::vector<Completion> batch;
        std::unique_lock lock(mutex_);
        while (!stop.stop_requested()) {
            if (!arrived_.wait(lock, stop, [this] { return !pending_.empty(); })) return;
            const TimePoint due = pending_.front().at;
            lock.unlock();
            // In steps, so that the end of the program does not wait for a long queue.
            if (due - clock.now() > 50ms) {
                clock.sleep_until(clock.now() + 20ms);
                lock.lock();
                continue;
            }
            const TimePoint now = pacer.wait_until(due);
            batch.clear();
            lock.lock();
            for (std::size_t i = 0; i < pending_.size() && pending_[i].at <= now; ++i)
                batch.push_back({pending_[i].token, Outcome::handled});
            lock.unlock();
            handler_(batch, now);
            lock.lock();
            // Only now: drained means delivered.
            pending_.erase(pending_.begin(),
                           pending_.begin() + static_cast<std::ptrdiff_t>(batch.size()));
            if (pending_.empty()) delivered_.notify_all();
        }
    }

    std::unique_ptr<SharedQueue> queue_;
    Duration latency_;
    CompletionHandler handler_;
    std::mutex mutex_;
    std::condition_variable_any arrived_;
    std::condition_variable delivered_;
    std::deque<Pending> pending_;  // sent and not delivered, by time: the queue ends in order
    std::jthread deliverer_;       // last: uses the above
};

}  // namespace

Result<std::unique_ptr<System>> start_synthetic(const TargetUrl& url) {
    auto queue =
        SharedQueue::make({.service = duration_option(url, "service", kServiceDefault),
                           .workers = static_cast<std::uint32_t>(count_option(url, "workers", 1)),
                           .queue_max = count_option(url, "queue", 0)});
    if (!queue) return std::unexpected(queue.error());
    return std::make_unique<SyntheticSystem>(*std::move(queue),
                                             duration_option(url, "latency", Duration::zero()));
}

Result<std::unique_ptr<Target>> open_synthetic(const TargetUrl& endpoint,
                                               CompletionHandler on_completion) {
    auto queue = SharedQueue::open(endpoint.path);
    if (!queue) return std::unexpected(queue.error());
    return std::make_unique<SyntheticTarget>(*std::move(queue),
                                             duration_option(endpoint, "latency", Duration::zero()),
                                             std::move(on_completion));
}

}  // namespace crucible::lab
