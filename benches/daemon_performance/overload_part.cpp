// What the daemon does when it is asked too much: more events than it can handle, with some that
// matter more than others; and a service that stalls beside others that do not.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "base/clock.h"
#include "crucible/daemon_client.h"
#include "daemon_performance/daemon_publisher.h"
#include "daemon_performance/parts.h"
#include "daemon_performance/trial.h"
#include "lab/pace/pacer.h"
#include "lab/stats/robust.h"
#include "runtime/service/sqlite.h"
#include "support/crucibled_process.h"
#include "support/publisher_events.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPayload = 512;
/// One event of so many is critical, the others are of low priority.
constexpr std::uint64_t kCriticalEvery = 10;
constexpr Duration kDrainLimit = 60s;

std::unexpected<Error> not_accounted(std::string what) {
    return std::unexpected(Error{Errc::failed, std::move(what)});
}

/// Sends records at a fixed rate, whatever becomes of them, and keeps the end of each.
class Flood {
public:
    /// `number`: of the publisher; records of one have keys of their own.
    static Result<std::unique_ptr<Flood>> connect(const std::filesystem::path& socket,
                                                  std::uint32_t number) {
        auto flood = std::unique_ptr<Flood>(new Flood(number));
        auto client = DaemonClient::connect({.socket = socket},
                                            [raw = flood.get()](auto batch) { raw->take(batch); });
        if (!client) return std::unexpected(client.error());
        flood->client_ = std::move(*client);
        return flood;
    }

    /// - Errc::failed: an event did not end, or was not sent.
    Result<> run(double rate, Duration length) {
        const auto count =
            static_cast<std::uint64_t>(rate * std::chrono::duration<double>(length).count());
        due_.resize(std::max<std::uint64_t>(count, 1));
        base::SteadyClock clock;
        lab::Pacer pacer(clock, lab::Pacing::coalesced, {});
        const TimePoint begin = base::monotonic_now();
        for (std::uint64_t i = 0; i < due_.size(); ++i) {
            due_[i] = begin + std::chrono::duration_cast<Duration>(
                                  std::chrono::duration<double>(static_cast<double>(i) / rate));
            pacer.wait_until(due_[i]);
            event_ = next_();
            event_.priority = is_critical(i) ? Priority::critical : Priority::low;
            if (client_->publish(event_, i)) continue;
            // The client's own buffer is full: refused where it was published.
            ++(is_critical(i) ? critical_refused_ : low_refused_);
        }
        sent_in_ = std::chrono::duration<double>(base::monotonic_now() - begin).count();
        if (!client_->drain(kDrainLimit)) return not_accounted("events did not end");
        const std::uint64_t ended = critical_refused_ + low_refused_ + ended_.load();
        if (ended != due_.size())
            return not_accounted(fmt::format("{} of {} events ended", ended, due_.size()));
        return {};
    }

    /// Events per second that were really sent.
    double rate() const { return static_cast<double>(due_.size()) / sent_in_; }
    /// p99 of the critical ones that were handled, from when they were due; in seconds.
    double critical_p99() {
        std::ranges::sort(critical_);
        return critical_.empty() ? 0 : lab::stats::interpolated_quantile(critical_, 0.99);
    }
    double critical_share() const {
        return static_cast<double>(critical_.size()) /
               static_cast<double>((due_.size() + kCriticalEvery - 1) / kCriticalEvery);
    }
    /// Of those of low priority, how many were handled.
    double low_share() const {
        const auto low = due_.size() - (due_.size() + kCriticalEvery - 1) / kCriticalEvery;
        return static_cast<double>(low_handled_) /
               static_cast<double>(std::max<std::size_t>(low, 1));
    }

private:
    explicit Flood(std::uint32_t number) : next_(records(number, kPayload)) {}
    static bool is_critical(std::uint64_t i) { return i % kCriticalEvery == 0; }

    void take(std::span<const Acknowledgement> batch) {
        const TimePoint now = base::monotonic_now();
        for (const auto& [token, outcome] : batch) {
            if (outcome == Outcome::handled) {
                if (is_critical(token)) {
                    critical_.push_back(std::chrono::duration<double>(now - due_[token]).count());
                } else {
                    ++low_handled_;
                }
            }
        }
        ended_.fetch_add(batch.size());
    }

    NextEvent next_;
    Event event_;
    std::vector<TimePoint> due_;
    std::vector<double> critical_;  ///< seconds
    double sent_in_ = 0;            ///< seconds
    std::uint64_t low_handled_ = 0;
    std::uint64_t critical_refused_ = 0;
    std::uint64_t low_refused_ = 0;
    std::atomic<std::uint64_t> ended_ = 0;
    std::unique_ptr<DaemonClient> client_;  // last: its thread uses the above
};

/// What the daemon handles of these events at most.
Result<double> capacity_of(const std::filesystem::path& socket, Duration length) {
    const auto publisher = DaemonPublisher::connect(socket, records(1, kPayload));
    if (!publisher) return std::unexpected(publisher.error());
    return measure_throughput(**publisher, kPayload, length);
}

Result<std::vector<double>> overload_trial(double of_capacity, const Options& options) {
    // Half a second's work: what waits longer than that is of no use.
    const auto daemon = start_crucibled(
        {.work = "real", .config = "[dispatch]\noverflow = \"shed\"\nqueue_events = 32768\n"});
    if (!daemon) return std::unexpected(daemon.error());
    const auto socket = crucibled_socket(*daemon);
    const auto capacity = capacity_of(socket, std::min<Duration>(options.trial_length(), 2s));
    if (!capacity) return std::unexpected(capacity.error());
    const auto flood = Flood::connect(socket, 2);
    if (!flood) return std::unexpected(flood.error());
    if (auto ran = (*flood)->run(of_capacity * *capacity, options.trial_length()); !ran)
        return std::unexpected(ran.error());
    return std::vector{(*flood)->critical_p99(), (*flood)->critical_share(), (*flood)->low_share(),
                       (*flood)->rate() / *capacity, *capacity};
}

/// A sample of metrics that the service of the system's category counts and logs.
NextEvent reports() {
    Event event;
    event.category = Category::system;
    event.type = "metrics.reported";
    event.source = "reporter";
    event.payload = R"({"metrics":[{"name":"queue","value":12}]})";
    return [event]() -> const Event& { return event; };
}

/// Events per second of another service while that of the database handles its own, or has stalled
/// with some under way: another process holds the lock of its file.
/// Of at most 8 s: after 10 s the service gives up waiting for the lock, and fails.
Result<std::vector<double>> stall_trial(bool stalled, const Options& options) {
    const auto length = std::min<Duration>(options.trial_length(), 6s);
    const auto daemon = start_crucibled(
        {.work = "real", .config = "[services]\ncount = 8\n[dispatch]\nworkers = 4\n"});
    if (!daemon) return std::unexpected(daemon.error());
    const auto socket = crucibled_socket(*daemon);
    runtime::SqliteHandle lock;
    if (stalled) {
        auto opened =
            runtime::open_sqlite(crucibled_data(*daemon) / "crucible.db", SQLITE_OPEN_READWRITE);
        if (!opened) return std::unexpected(opened.error());
        lock = std::move(*opened);
        if (auto held = runtime::execute(lock.get(), "BEGIN IMMEDIATE"); !held)
            return std::unexpected(held.error());
    }
    constexpr double records_rate = 1000;
    const auto flood = Flood::connect(socket, 1);
    if (!flood) return std::unexpected(flood.error());
    Result<> flooded;
    Result<double> others = 0.0;
    {
        const std::jthread sender(
            [&] { flooded = (*flood)->run(records_rate, length + length / 5); });
        const auto publisher = DaemonPublisher::connect(socket, reports());
        if (!publisher) {
            others = std::unexpected(publisher.error());
        } else {
            others = measure_throughput(**publisher, kPayload, length);
        }
        lock.reset();  // what waits is handled now
    }
    if (!others) return std::unexpected(others.error());
    if (!flooded) return std::unexpected(flooded.error());
    return std::vector{*others};
}

}  // namespace

void overload_part(const Options& options, Rounds& rounds) {
    rounds.ask(
        {.part = "overload",
         .text = "more than the daemon can handle, overflow=shed",
         .measures = {latency_measure("critical_latency_p99"),
                      {"critical_handled", "1", "higher", "of 1", 1},
                      {"low_handled", "1", "higher", "of 1", 1},
                      {"offered", "1", "higher", "of capacity", 1},
                      {"capacity", "events/s", "higher", "thousand/s", 1e-3}},
         .arms = {{"0.3 of capacity", "1 of 10 events critical, the others low",
                   [&] { return overload_trial(0.3, options); }},
                  {"3 times capacity", "the same; fails where an event's end is not accounted for",
                   [&] { return overload_trial(3, options); }}},
         .first_to_other = false,
         .ratio_label = "to 0.3"});
    rounds.ask({.part = "overload",
                .text = "a service beside one that stalls, 8 services",
                .measures = {throughput_measure()},
                .arms = {{"none stalls", "the database's service handles 1,000 events/s meanwhile",
                          [&] { return stall_trial(false, options); }},
                         {"one stalls", "another process holds the database's lock",
                          [&] { return stall_trial(true, options); }}},
                .first_to_other = false,
                .ratio_label = "to none"});
}

}  // namespace crucible::bench
