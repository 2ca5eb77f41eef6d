#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "crucible/error.h"
#include "crucible/time.h"
#include "lab/record/activity.h"

namespace crucible::lab {

/// Which threads of a process are whose.
enum class ActivityRole : std::uint8_t {
    system,  ///< all are the system's
    /// A client process with the system inside: its main thread and the one called kLoadThread are
    /// the injector's, the others the system's.
    embedding,
    injector,  ///< all make load
};
/// Name of the thread that sends.
inline constexpr const char* kLoadThread = "load";

/// A process whose threads are sampled.
struct ActivityProcess {
    pid_t pid = 0;
    ActivityRole role = ActivityRole::system;
};

struct ActivityOptions {
    Duration interval = std::chrono::milliseconds(10);  ///< between samples, at least; 1 ms or more
    /// Over the whole stretch, at most. From 100 on a share of a half is known to 0.1 (two standard
    /// errors), and confidence may be high; a few may be missed.
    std::uint64_t samples_max = 120;
    double core_share = 0.0075;  ///< of one core: what all samples may take
    /// The stretch that counts: no sample is taken outside it.
    TimePoint from;
    TimePoint until;
    std::uint64_t seed = 1;  ///< of the moments within each interval
    /// With all that they started they are no neighbours.
    std::vector<pid_t> own;
    std::filesystem::path root = "/";  ///< where proc/ and the cgroups are; another in tests
};

/// Samples what every thread does, from a thread of its own. One sample falls into each interval,
/// at a moment that chance chooses: load on a schedule of its own would else meet every sample in
/// the same state. Intervals are as long as SamplePace says, for which samples take little.
///
/// All of the system's threads are looked at in each sample: how often none of them waits for
/// something is known only of all. Those of the injector, whose waits no rule asks for, are looked
/// at in every kCountedEvery-th sample, in which the scheduler's counters are read, too. Files stay
/// open between samples. Threads that begin are found within kThreadsInterval, or by the next
/// sample; in the place of one of the injector's that has ended within kCountedEvery samples. At
/// most kThreadsMax are followed; memory does not grow with time.
class ActivityMonitor {
public:
    static constexpr std::uint64_t kCountedEvery = 10;
    static constexpr std::size_t kThreadsMax = 2'048;
    static constexpr std::size_t kThreadsTold = 32;
    static constexpr Duration kThreadsInterval = std::chrono::milliseconds(100);

    /// - Errc::invalid_argument: the interval is below 1 ms, samples_max is 0, or there is no
    /// process.
    /// - Errc::not_found, Errc::permission_denied: of the pid that the message names.
    static Result<std::unique_ptr<ActivityMonitor>> start(std::vector<ActivityProcess> processes,
                                                          ActivityOptions options);
    ~ActivityMonitor();

    /// Ends the sampling, also before `until`. What was read since `from`; without samples where
    /// it never came to that. Called again it returns the same.
    const ActivityReport& stop();

private:
    struct State;
    explicit ActivityMonitor(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace crucible::lab
