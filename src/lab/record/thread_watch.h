#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/file.h"
#include "crucible/error.h"
#include "crucible/time.h"
#include "lab/record/activity.h"

namespace crucible::lab {

/// One thread, sampled again and again through files that stay open. Not thread-safe.
class ThreadWatch {
public:
    /// `process`: an open directory of it in proc/. - Errc::not_found: no such thread (any more).
    /// - Errc::resource_exhausted, …: it could not be opened.
    static Result<ThreadWatch> open(int process, pid_t thread);

    /// What it does now; nothing when it is gone. The kernel says itself whether a thread runs or
    /// is ready to: the scheduler's counters of one that was woken and has no core yet are those of
    /// one that still waits.
    std::optional<Activity> sample(int process);
    /// Reads the scheduler's counters; false when the thread is gone.
    bool count();

    /// As of the last count(), since open().
    Duration cpu() const noexcept { return Duration(last_.cpu_ns - first_.cpu_ns); }
    Duration run_queue_delay() const noexcept { return Duration(last_.delay_ns - first_.delay_ns); }
    std::uint64_t samples() const noexcept { return samples_; }
    const std::array<std::uint64_t, kActivityCount>& seen() const noexcept { return seen_; }
    /// What it waits for is not ours to read: it is told from the letter of its state.
    bool is_blind() const noexcept { return blind_; }

private:
    struct Counters {
        std::int64_t cpu_ns = 0;
        std::int64_t delay_ns = 0;
    };

    ThreadWatch(base::UniqueFd schedstat, base::UniqueFd syscall, pid_t thread)
        : schedstat_(std::move(schedstat)), syscall_(std::move(syscall)), thread_(thread) {}
    std::optional<Counters> read_counters() const;
    std::optional<Activity> read_activity(int process);
    std::optional<Activity> read_state(int process);

    base::UniqueFd schedstat_;
    base::UniqueFd syscall_;  ///< none where it is not ours to read
    base::UniqueFd stat_;     ///< in its place
    pid_t thread_;
    bool blind_ = false;
    Counters first_;
    Counters last_;
    Activity activity_ = Activity::running;
    std::string call_;  ///< as it was read last; whoever waits in the same call does the same
    std::uint64_t samples_ = 0;
    std::array<std::uint64_t, kActivityCount> seen_{};
};

}  // namespace crucible::lab
