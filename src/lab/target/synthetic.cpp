#include "lab/target/synthetic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <queue>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "base/units.h"
#include "lab/pace/pacer.h"
#include "lab/target/endpoint.h"
#include "lab/target/faulty_target.h"
#include "lab/target/planted.h"
#include "lab/target/shared_queue.h"

namespace crucible::lab {
namespace {

constexpr Duration kServiceDefault = std::chrono::microseconds(100);

class SyntheticSystem final : public System {
public:
    SyntheticSystem(std::unique_ptr<SharedQueue> queue, std::string options)
        : queue_(std::move(queue)), options_(std::move(options)) {}

    std::string endpoint() const override {
        return fmt::format("synthetic:{}?{}", queue_->path(), options_);
    }
    std::vector<pid_t> processes() const override { return {}; }
    bool runs_in_senders() const override { return false; }
    std::optional<std::string> data_directory() const override { return std::nullopt; }
    std::optional<std::string> failure() override { return std::nullopt; }
    Result<> stop() override { return {}; }

private:
    std::unique_ptr<SharedQueue> queue_;
    std::string options_;
};

/// What a client needs besides the queue.
struct ClientOptions {
    Duration latency{};
    std::uint64_t leak_bytes = 0;
    Planted planted;
};

/// Served by the sender's thread, which is told of each completion at the time that the queue gave
/// it: a thread of its own would be woken late, and its lateness be taken for the system's.
class SyntheticTarget final : public Target {
public:
    SyntheticTarget(std::unique_ptr<SharedQueue> queue, std::uint32_t client,
                    const ClientOptions& options, CompletionHandler handler)
        : queue_(std::move(queue)),
          client_(client),
          options_(options),
          handler_(std::move(handler)),
          margin_(margin_of(clock_)) {}

    Result<> send(const Event&, std::uint64_t token) override {
        const auto end = queue_->arrive();
        if (!end) return std::unexpected(Error{Errc::overloaded, {}});
        if (options_.leak_bytes > 0) leak();
        const Fate fate = fate_of(options_.planted, client_, token);
        if (fate == Fate::lost) {
            ++lost_;
            return {};
        }
        const TimePoint at = *end + options_.latency;
        if (fate == Fate::delayed) {
            // It goes with the next one, behind it.
            delayed_.push_back({at, token, Fate::handled});
            return {};
        }
        push({at, token, fate});
        for (const auto& waiting : delayed_)
            push({std::max(at, waiting.at), waiting.token, waiting.fate});
        delayed_.clear();
        return {};
    }

    bool polled() const noexcept override { return true; }

    void serve(TimePoint until) override {
        TimePoint now = clock_.now();
        const TimePoint entered = now;
        for (;; now = clock_.now()) {
            if (deliver(now) || now >= until) return;
            TimePoint end = until;
            if (!pending_.empty() && pending_.top().at <= until) {
                const TimePoint at = pending_.top().at;
                end = at - spin_time(margin_, at - entered);
            }
            if (end > now) {
                clock_.sleep_until(end);
            } else {
                base::spin_pause();
            }
        }
    }

    Result<> drain(Duration limit) override {
        // Nothing follows any more that these could go behind.
        for (const auto& waiting : delayed_) push(waiting);
        delayed_.clear();
        const TimePoint give_up = clock_.now() + limit;
        while (!pending_.empty() && clock_.now() < give_up) serve(give_up);
        const bool empty = pending_.empty();
        if (empty && lost_ == 0) return {};
        return std::unexpected(
            Error{Errc::timeout, empty ? fmt::format("synthetic: {} events were lost", lost_)
                                       : "synthetic: events are still being served"});
    }

private:
    static Duration margin_of(base::Clock& clock) {
        base::set_precise_timers();
        return wake_margin(clock);
    }

    struct Pending {
        TimePoint at;
        std::uint64_t token;
        Fate fate;
        std::uint64_t number = 0;  ///< of those of one time the first comes first
        bool operator>(const Pending& other) const noexcept {
            return std::tie(at, number) > std::tie(other.at, other.number);
        }
    };

    void push(Pending pending) {
        pending.number = next_number_++;
        pending_.push(pending);
    }

    /// Touched and never given back, as a leak in a system would be.
    void leak() {
        auto& memory = leaked_.emplace_back(options_.leak_bytes);
        for (std::size_t i = 0; i < memory.size(); i += 64) memory[i] = 1;
    }

    /// What has ended by `now`. False when nothing has.
    bool deliver(TimePoint now) {
        batch_.clear();
        for (; !pending_.empty() && pending_.top().at <= now; pending_.pop()) {
            const auto& [at, token, fate, number] = pending_.top();
            batch_.push_back({token, fate == Fate::failed ? Outcome::failed : Outcome::handled});
            if (fate == Fate::duplicated) batch_.push_back(batch_.back());
        }
        if (batch_.empty()) return false;
        handler_(batch_, now);
        return true;
    }

    std::unique_ptr<SharedQueue> queue_;
    const std::uint32_t client_;
    const ClientOptions options_;
    CompletionHandler handler_;
    base::SteadyClock clock_;
    const Duration margin_;  ///< so long before a completion it stops sleeping
    std::priority_queue<Pending, std::vector<Pending>, std::greater<>> pending_;
    std::vector<Pending> delayed_;
    std::vector<Completion> batch_;
    std::uint64_t next_number_ = 0;
    std::uint64_t lost_ = 0;
    std::vector<std::vector<char>> leaked_;
};

/// Options that a client needs, as they were given.
constexpr std::array<std::string_view, 8> kClientOptions{
    "latency", "slowdown", "leak", "errors", "loss", "duplicates", "reorder", "fault"};

Duration slowed(Duration duration, double slowdown) {
    return Duration(std::llround(static_cast<double>(duration.count()) * (1 + slowdown)));
}

}  // namespace

Result<std::unique_ptr<System>> start_synthetic(const TargetUrl& url, std::uint64_t seed) {
    QueueOptions options{.service = slowed(duration_option(url, "service", kServiceDefault),
                                           fraction_option(url, "slowdown")),
                         .workers = count_option(url, "workers", 1),
                         .queue_max = count_option(url, "queue", 0),
                         .retry = duration_option(url, "retry", Duration::zero()),
                         .seed = seed};
    if (const auto* name = url.option("distribution"))
        options.distribution = *parse_distribution(*name);
    if (const auto* rate = url.option("capacity"))
        options.interval = base::parse_rate(*rate)->due(1);
    if (const auto* stall = url.option("stall")) options.stall = *parse_stall(*stall);
    auto queue = SharedQueue::make(options);
    if (!queue) return std::unexpected(queue.error());
    std::string for_clients = fmt::format("seed={}", seed);
    if (url.option("fault") != nullptr)
        for_clients += fmt::format("&workers={}&queue={}", options.workers, options.queue_max);
    for (const auto name : kClientOptions) {
        if (const auto* value = url.option(name))
            for_clients += fmt::format("&{}={}", name, *value);
    }
    return std::make_unique<SyntheticSystem>(*std::move(queue), std::move(for_clients));
}

Result<std::unique_ptr<Target>> open_synthetic(const TargetUrl& endpoint, std::uint32_t client,
                                               CompletionHandler on_completion) {
    if (const auto* fault = endpoint.option("fault")) {
        const auto plan = base::parse_fault(*fault);
        if (!plan) return std::unexpected(plan.error());
        return open_faulty({.fault = *plan,
                            .workers = count_option(endpoint, "workers", 1),
                            .queue_max = count_option(endpoint, "queue", 0)},
                           std::move(on_completion));
    }
    auto queue = SharedQueue::open(endpoint.path);
    if (!queue) return std::unexpected(queue.error());
    const auto* leak = endpoint.option("leak");
    const ClientOptions options{
        .latency = slowed(duration_option(endpoint, "latency", Duration::zero()),
                          fraction_option(endpoint, "slowdown")),
        .leak_bytes = leak != nullptr ? *base::parse_bytes(*leak) : 0,
        .planted = {.errors = fraction_option(endpoint, "errors"),
                    .loss = fraction_option(endpoint, "loss"),
                    .duplicates = fraction_option(endpoint, "duplicates"),
                    .reorder = fraction_option(endpoint, "reorder"),
                    .seed = count_option(endpoint, "seed", 1)}};
    return std::make_unique<SyntheticTarget>(*std::move(queue), client, options,
                                             std::move(on_completion));
}

}  // namespace crucible::lab
