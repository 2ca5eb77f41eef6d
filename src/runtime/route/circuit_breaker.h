#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>

#include "crucible/time.h"

namespace crucible::runtime {

/// Keeps events away from an instance that fails, and finds out with few of them when it no longer
/// does. One for each instance. Thread-safe; time comes with each call.
///
///     closed ──── too many failures ───▶ open
///       ▲                                 │  ▲
///       │ enough probes succeeded         │  │ a probe failed
///       └─────────── half-open ◀──────────┘  │
///                        │    open_for passed │
///                        └────────────────────┘
///
/// - *Closed*: every call is admitted. A failure opens it that is the `failures_in_a_row`-th, or
///   that makes the failures at least `failure_share` of the calls within `window`, once these are
///   at least `calls_min`.
/// - *Open*: no call is admitted until `open_for` has passed.
/// - *Half-open*: `probes_max` calls at a time. The first failure opens it again, `probes_to_close`
///   successes close it, and it begins without a memory. Probes that nobody reports back for
///   `open_for` count as lost, and others take their places.
///
/// A call counts only in the period in which it was admitted: what comes back late from before a
/// change of state says nothing of now.
class CircuitBreaker {
public:
    enum class State : std::uint8_t { closed, open, half_open };

    struct Options {
        std::uint32_t failures_in_a_row = 5;         ///< at least 1
        double failure_share = 0.5;                  ///< in (0, 1]
        std::uint32_t calls_min = 20;                ///< at least 1
        Duration window = std::chrono::seconds(10);  ///< counted in tenths: 9 to 10 of them
        Duration open_for = std::chrono::seconds(30);
        std::uint32_t probes_max = 1;       ///< at least 1
        std::uint32_t probes_to_close = 3;  ///< at least 1
    };

    /// Called with every change of the state and of whether calls are admitted, in order, from the
    /// thread that made it and before that call returns. It may not call the breaker.
    using ChangeHandler = std::function<void(State state, bool admits)>;

    /// A call that was admitted. To be handed back once, by succeeded(), failed() or abandoned().
    struct Permit {
        std::uint64_t period = 0;
    };

    explicit CircuitBreaker(const Options& options, ChangeHandler on_change = {});

    /// Nothing when no call may be made now.
    std::optional<Permit> admit(TimePoint now);
    void succeeded(Permit permit, TimePoint now);
    void failed(Permit permit, TimePoint now);
    /// The call was not made, or says nothing of the instance: rejected for its content, expired,
    /// failed for good.
    void abandoned(Permit permit);

    /// When refresh() is due: an open breaker is seen to be half-open then, though nobody asks
    /// because it is open. Nothing when no time is waited for.
    std::optional<TimePoint> wakes_at() const;
    void refresh(TimePoint now);

    /// As of the last call: an open one becomes half-open in admit() or refresh().
    State state() const noexcept;

private:
    static constexpr std::size_t kSlices = 10;
    struct Slice {
        std::uint32_t calls = 0;
        std::uint32_t failures = 0;
    };

    void change_to(State state);
    void tell();
    void count(bool failure, TimePoint now);
    bool failing() const noexcept;
    bool is_current(Permit permit) const noexcept { return permit.period == period_.load(); }
    bool admits() const noexcept;
    std::optional<TimePoint> due() const noexcept;
    void refresh_locked(TimePoint now);

    const Options options_;
    const ChangeHandler on_change_;

    /// Counts the changes of state, times 4, plus the state: admit() reads it without the lock.
    std::atomic<std::uint64_t> period_ = 0;

    mutable std::mutex mutex_;
    bool told_admits_ = true;
    std::uint32_t failures_in_a_row_ = 0;
    std::array<Slice, kSlices> slices_{};
    std::int64_t slice_ = 0;  ///< number of the newest, from the clock's beginning
    TimePoint opened_at_;
    std::uint32_t probes_ = 0;  ///< in flight
    std::uint32_t probes_succeeded_ = 0;
    TimePoint last_probe_at_;
};

std::string_view to_string(CircuitBreaker::State state) noexcept;

}  // namespace crucible::runtime
