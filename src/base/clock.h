#pragma once

#include "crucible/time.h"

namespace crucible::base {

/// CLOCK_MONOTONIC now; about 25 ns a call through the vDSO.
TimePoint monotonic_now() noexcept;

/// CLOCK_REALTIME now.
WallTime wall_now() noexcept;

/// Processor time that the calling thread has had so far.
Duration thread_cpu_time() noexcept;

/// A source of time that tests can replace.
class Clock {
public:
    virtual ~Clock() = default;
    virtual TimePoint now() noexcept = 0;
    /// Returns at `deadline` or shortly after it; at once when it has passed.
    virtual void sleep_until(TimePoint deadline) noexcept = 0;
};

/// The machine's monotonic clock; sleeps with clock_nanosleep to an absolute time.
class SteadyClock final : public Clock {
public:
    TimePoint now() noexcept override { return monotonic_now(); }
    void sleep_until(TimePoint deadline) noexcept override;
};

/// Tells the core that this is a wait, so that the sibling hyper-thread gets its resources.
void spin_pause() noexcept;

/// Sets this thread's timer slack to 1 ns, so that a sleep ends when asked and not up to 50 us
/// later.
void set_precise_timers() noexcept;

}  // namespace crucible::base
