#include "base/clock.h"

#include <sys/prctl.h>
#include <time.h>
#include <atomic>

#include <cerrno>

namespace crucible::base {
namespace {

Duration read_clock(clockid_t id) noexcept {
    timespec time{};
    clock_gettime(id, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

TimePoint monotonic_now() noexcept {
    return TimePoint(read_clock(CLOCK_MONOTONIC));
}

WallTime wall_now() noexcept {
    return WallTime(read_clock(CLOCK_REALTIME));
}

Duration thread_cpu_time() noexcept {
    return Duration(read_clock(CLOCK_THREAD_CPUTIME_ID));
}

void SteadyClock::sleep_until(TimePoint deadline) noexcept {
    const auto since_epoch = deadline.time_since_epoch();
    if (since_epoch <= Duration::zero()) return;
    const timespec until{.tv_sec = since_epoch.count() / 1'000'000'000,
                         .tv_nsec = since_epoch.count() % 1'000'000'000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
    }
}

void set_precise_timers() noexcept {
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

void spin_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#else
    std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace crucible::base
