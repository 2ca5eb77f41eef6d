#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>

namespace crucible {

/// A span of time in nanoseconds.
using Duration = std::chrono::nanoseconds;

/// A point on CLOCK_MONOTONIC: the same clock in every process of one machine, unaffected by clock
/// steps. All latencies are differences of these.
struct MonotonicClock {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<MonotonicClock, Duration>;
    static constexpr bool is_steady = true;
    static time_point now() noexcept {
        timespec time{};
        ::clock_gettime(CLOCK_MONOTONIC, &time);
        return time_point(std::chrono::seconds(time.tv_sec) + Duration(time.tv_nsec));
    }
};
using TimePoint = MonotonicClock::time_point;

/// Nanoseconds since the Unix epoch, UTC. For dates in events and files only, never for latencies.
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;

}  // namespace crucible
