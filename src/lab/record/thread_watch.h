#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "base/file.h"
#include "crucible/error.h"
#include "crucible/time.h"
#include "lab/record/activity.h"

namespace crucible::lab {

/// One thread, sampled again and again through files that stay open. Not thread-safe.
class ThreadWatch {
public:
    /// `process`: an open directory of it in proc/. - Errc::not_found: no such thread (any more).
    static Result<ThreadWatch> open(int process, pid_t thread);

    /// What it does now. A thread that has not run since the last call still waits for the same:
    /// then only its scheduler's counters are read. Nothing when it is gone.
    std::optional<Activity> sample(int process);

    /// As of the last sample, since the first.
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
        std::uint64_t slices = 0;  ///< times it was given a core
        friend bool operator==(const Counters&, const Counters&) = default;
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
    std::uint64_t samples_ = 0;
    std::array<std::uint64_t, kActivityCount> seen_{};
};

}  // namespace crucible::lab
