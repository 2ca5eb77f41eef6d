#include "daemon_performance/trial.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "base/clock.h"
#include "lab/stats/robust.h"

namespace crucible::bench {
namespace {

/// More under way only fills buffers. The events also because MQTT's identifiers have 16 bits.
constexpr std::size_t kInFlightBytes = 16u << 20;
constexpr std::uint64_t kInFlightEvents = 16'384;
constexpr std::uint64_t kInFlightLeast = 64;
constexpr int kEventsBetweenLooks = 64;

std::unexpected<Error> stopped() {
    return std::unexpected(
        Error{Errc::failed, "the connection was lost, events were refused, or none came for 20 s"});
}

double seconds_since(TimePoint begin) {
    return std::chrono::duration<double>(base::monotonic_now() - begin).count();
}

/// Publishes for so long and waits for the rest; what was acknowledged meanwhile.
Result<std::uint64_t> publish_for(Publisher& publisher, std::uint64_t window, Duration length) {
    const std::uint64_t before = publisher.acknowledged();
    std::uint64_t published = before;
    const TimePoint end = base::monotonic_now() + length;
    do {
        for (int i = 0; i < kEventsBetweenLooks; ++i) {
            if (!publisher.publish()) return stopped();
            ++published;
        }
        if (published - publisher.acknowledged() > window) {
            if (!publisher.flush()) return stopped();
            // Half of it, so that publisher and server do not wait for each other's every event.
            if (!publisher.await_acknowledged(published - window / 2)) return stopped();
        }
    } while (base::monotonic_now() < end);
    if (!publisher.flush() || !publisher.await_acknowledged(published - 1)) return stopped();
    return published - before;
}

/// The times of one publisher's events that began after `begin`.
bool round_trips(Publisher& publisher, TimePoint begin, TimePoint end,
                 std::vector<double>& seconds) {
    TimePoint before = base::monotonic_now();
    while (before < end) {
        if (!publisher.round_trip()) return false;
        const TimePoint after = base::monotonic_now();
        if (before >= begin)
            seconds.push_back(std::chrono::duration<double>(after - before).count());
        before = after;
    }
    // However slow it is: one event is measured.
    if (!seconds.empty()) return true;
    if (!publisher.round_trip()) return false;
    seconds.push_back(seconds_since(before));
    return true;
}

}  // namespace

Result<double> measure_throughput(Publisher& publisher, std::size_t payload_bytes,
                                  Duration length) {
    const auto window =
        std::clamp<std::uint64_t>(kInFlightBytes / payload_bytes, kInFlightLeast, kInFlightEvents);
    if (const auto warm = publish_for(publisher, window, length / 5); !warm)
        return std::unexpected(warm.error());
    const TimePoint begin = base::monotonic_now();
    const auto acknowledged = publish_for(publisher, window, length);
    if (!acknowledged) return std::unexpected(acknowledged.error());
    return static_cast<double>(*acknowledged) / seconds_since(begin);
}

Result<Latency> measure_latency(const std::vector<std::unique_ptr<Publisher>>& publishers,
                                Duration length) {
    const TimePoint begin = base::monotonic_now() + length / 5;
    const TimePoint end = begin + length;
    std::vector<std::vector<double>> seconds(publishers.size());
    std::atomic<bool> whole = true;
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 1; i < publishers.size(); ++i) {
            threads.emplace_back([&, i] {
                if (!round_trips(*publishers[i], begin, end, seconds[i])) whole = false;
            });
        }
        if (!round_trips(*publishers[0], begin, end, seconds[0])) whole = false;
    }
    if (!whole) return stopped();
    std::vector<double> all;
    for (const auto& one : seconds) all.insert(all.end(), one.begin(), one.end());
    std::ranges::sort(all);
    return Latency{.p50 = lab::stats::interpolated_quantile(all, 0.5),
                   .p99 = lab::stats::interpolated_quantile(all, 0.99),
                   .max = all.back()};
}

}  // namespace crucible::bench
