#include "lab/record/activity_monitor.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/file.h"
#include "base/realtime.h"
#include "base/rng.h"
#include "lab/record/activity_surroundings.h"
#include "lab/record/file_locks.h"
#include "lab/record/proc_text.h"
#include "lab/record/sample_pace.h"
#include "lab/record/thread_watch.h"

namespace crucible::lab {
namespace {

constexpr Duration kIntervalLeast = std::chrono::milliseconds(1);
constexpr std::uint64_t kMomentStream = 211;

double seconds_of(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

/// Sums over the samples of one side.
struct SideSums {
    std::uint64_t samples = 0;
    std::array<std::uint64_t, kActivityCount> threads{};
    std::array<std::uint64_t, kActivityCount> present{};  ///< samples with one at least
};
using SideNow = std::array<std::array<std::uint64_t, kActivityCount>, kSideCount>;

struct Followed {
    ThreadWatch watch;
    ThreadActivity about;
};

struct SampledProcess {
    pid_t pid = 0;
    ActivityRole role{};
    base::UniqueFd directory;
    std::map<pid_t, Followed> threads;
    bool gone = false;
};

std::string name_of(int process, pid_t thread) {
    auto name = read_at(process, fmt::format("task/{}/comm", thread).c_str()).value_or("");
    while (!name.empty() && name.back() == '\n') name.pop_back();
    return name;
}

ActivitySide side_of(const SampledProcess& process, pid_t thread, std::string_view name) {
    if (process.role == ActivityRole::system) return ActivitySide::system;
    if (process.role == ActivityRole::injector) return ActivitySide::injector;
    return thread == process.pid || name == kLoadThread ? ActivitySide::injector
                                                        : ActivitySide::system;
}

}  // namespace

// Written by start() until the thread runs, then by the thread alone, and by stop() once the thread
// has ended.
struct ActivityMonitor::State {
    ActivityOptions options;
    std::vector<SampledProcess> processes;
    std::vector<pid_t> system_pids;
    std::optional<ActivitySurroundings> around;
    Duration fault_cost{};

    std::array<SideSums, kSideCount> sums;
    std::array<std::uint64_t, kSideCount> threads_seen{};
    std::array<Duration, kSideCount> ended_cpu{};
    std::array<Duration, kSideCount> ended_delay{};
    std::size_t following = 0;
    std::uint64_t samples = 0;
    std::uint64_t missed = 0;
    Duration interval{};  ///< had samples cost nothing
    Duration waited{};    ///< beyond it, for what they cost
    std::uint64_t asleep_samples = 0;
    std::optional<FileLocks> file_locks;
    std::optional<std::uint64_t> lock_held_samples;  ///< none where that cannot be read
    bool blind = false;
    std::string why_not_all;  ///< why some threads are not followed
    TimePoint first;
    TimePoint last;
    TimePoint next_threads;
    Duration cpu_in_window{};
    Duration cpu_of_samples{};

    ActivityReport report;
    bool concluded = false;

    std::mutex mutex;
    std::condition_variable_any wake;
    std::jthread runner;  // last: it ends before what it uses

    void find_threads();
    void find_threads_of(SampledProcess& process);
    void end_thread(const Followed& followed);
    void count_threads();
    void sample();
    void sample_process(SampledProcess& process, bool all, SideNow& now);
    bool wait_until(TimePoint at, const std::stop_token& stop);
    void take_samples(const std::stop_token& stop);
    void run(const std::stop_token& stop);
    void conclude();
    std::vector<ThreadActivity> all_threads() const;
    void conclude_side(ActivitySide side, double wall, const std::vector<ThreadActivity>& threads);
};

void ActivityMonitor::State::find_threads_of(SampledProcess& process) {
    // A directory of threads has two links more than there are threads, which is quicker to read
    // than their list. Where it has not, the list is read each time.
    struct stat info {};
    const bool readable = ::fstatat(process.directory.get(), "task", &info, 0) == 0;
    const auto followed = process.threads.size();
    if (readable && followed > 0 && info.st_nlink == followed + 2) return;
    const int task = ::openat(process.directory.get(), "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (task < 0) {
        process.gone = true;
        return;
    }
    const auto close = [](DIR* directory) { ::closedir(directory); };
    const std::unique_ptr<DIR, decltype(close)> directory(::fdopendir(task), close);
    while (const dirent* entry = ::readdir(directory.get())) {
        const auto number = leading_number(entry->d_name);
        if (!number) continue;
        const auto thread = static_cast<pid_t>(*number);
        if (process.threads.contains(thread)) continue;
        if (following >= kThreadsMax) {
            why_not_all = fmt::format("more than {} threads", kThreadsMax);
            continue;
        }
        auto watch = ThreadWatch::open(process.directory.get(), thread);
        if (!watch) {
            if (watch.error().code != Errc::not_found) why_not_all = watch.error().message;
            continue;
        }
        auto name = name_of(process.directory.get(), thread);
        const ActivitySide side = side_of(process, thread, name);
        process.threads.emplace(
            thread,
            Followed{
                *std::move(watch),
                {.process = process.pid, .thread = thread, .name = std::move(name), .side = side}});
        ++following;
        ++threads_seen[static_cast<std::size_t>(side)];
    }
}

void ActivityMonitor::State::find_threads() {
    for (auto& process : processes)
        if (!process.gone) find_threads_of(process);
}

void ActivityMonitor::State::end_thread(const Followed& followed) {
    const auto side = static_cast<std::size_t>(followed.about.side);
    ended_cpu[side] += followed.watch.cpu();
    ended_delay[side] += followed.watch.run_queue_delay();
    blind |= followed.watch.is_blind();
    --following;
}

/// Up to now. One that has ended counts as of when that was done last.
void ActivityMonitor::State::count_threads() {
    if (samples == 0) return;
    last = base::monotonic_now();
    for (auto& process : processes)
        for (auto& [number, followed] : process.threads) static_cast<void>(followed.watch.count());
}

/// `all`: those of the injector, too, and the scheduler's counters.
void ActivityMonitor::State::sample_process(SampledProcess& process, bool all, SideNow& now) {
    if (!all && process.role == ActivityRole::injector) return;
    for (auto at = process.threads.begin(); at != process.threads.end();) {
        auto& [watch, about] = at->second;
        if (!all && about.side == ActivitySide::injector) {
            ++at;
            continue;
        }
        const auto activity = watch.sample(process.directory.get());
        if (!activity || (all && !watch.count())) {
            end_thread(at->second);
            at = process.threads.erase(at);
            continue;
        }
        ++now[static_cast<std::size_t>(about.side)][static_cast<std::size_t>(*activity)];
        ++at;
    }
}

void ActivityMonitor::State::sample() {
    const bool all = samples % kCountedEvery == 0;
    SideNow now{};
    for (auto& process : processes)
        if (!process.gone) sample_process(process, all, now);
    for (std::size_t side = 0; side < kSideCount; ++side) {
        if (!all && static_cast<ActivitySide>(side) == ActivitySide::injector) continue;
        ++sums[side].samples;
        for (std::size_t i = 0; i < kActivityCount; ++i) {
            sums[side].threads[i] += now[side][i];
            sums[side].present[i] += now[side][i] > 0 ? 1 : 0;
        }
    }
    ++samples;
    // Who sleeps may be waiting for a lock on a file that it tries again and again.
    if (now[0][static_cast<std::size_t>(Activity::asleep)] > 0) {
        ++asleep_samples;
        if (!file_locks) file_locks.emplace(options.root);
        if (const auto held = file_locks->held_by(system_pids))
            lock_held_samples = lock_held_samples.value_or(0) + (*held ? 1 : 0);
    }
    // After those that have ended are known: as many may have begun.
    if (const auto at = base::monotonic_now(); at >= next_threads) {
        find_threads();
        next_threads = at + kThreadsInterval;
    }
}

/// False when it shall stop.
bool ActivityMonitor::State::wait_until(TimePoint at, const std::stop_token& stop) {
    const auto until = std::chrono::steady_clock::time_point(
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(at.time_since_epoch()));
    std::unique_lock lock(mutex);
    wake.wait_until(lock, stop, until, [] { return false; });
    return !stop.stop_requested();
}

void ActivityMonitor::State::take_samples(const std::stop_token& stop) {
    const SamplePace pace(options.until - first, options.interval, options.samples_max,
                          options.core_share);
    interval = pace.interval();
    const Duration before = base::thread_cpu_time();
    TimePoint start = first;
    for (std::uint64_t i = 0; start < options.until; ++i) {
        const auto next = pace.next(options.until - start, cpu_of_samples, samples);
        waited += next.value_or(options.until - start) - interval;
        if (!next) break;
        auto random = base::Rng::at(options.seed, kMomentStream, i);
        const auto moment = random.below(static_cast<std::uint64_t>(next->count()));
        const TimePoint due = start + Duration(static_cast<std::int64_t>(moment));
        start += *next;
        if (due >= options.until) break;
        // Its interval has passed: it is skipped, not made up for.
        if (base::monotonic_now() >= start) {
            ++missed;
            continue;
        }
        if (!wait_until(due, stop)) break;
        sample();
        cpu_of_samples = base::thread_cpu_time() - before;
    }
    static_cast<void>(wait_until(options.until, stop));
}

void ActivityMonitor::State::run(const std::stop_token& stop) {
    ::pthread_setname_np(::pthread_self(), "activity");
    around->open();
    if (!wait_until(options.from, stop)) return;
    const Duration before = base::thread_cpu_time();
    around->begin();
    // Otherwise a machine that is busy would choose the moments: when others leave it a core.
    static_cast<void>(base::set_realtime_priority());
    first = base::monotonic_now();
    find_threads();
    next_threads = first + kThreadsInterval;
    take_samples(stop);
    count_threads();
    cpu_in_window = base::thread_cpu_time() - before;
    around->end();
}

void ActivityMonitor::State::conclude_side(ActivitySide side, double wall,
                                           const std::vector<ThreadActivity>& threads) {
    const auto index = static_cast<std::size_t>(side);
    auto& told = report.sides[index];
    told.threads = threads_seen[index];
    told.samples = sums[index].samples;
    const auto count = static_cast<double>(told.samples);
    for (std::size_t i = 0; i < kActivityCount; ++i) {
        told.mean[i] = static_cast<double>(sums[index].threads[i]) / count;
        told.present[i] = static_cast<double>(sums[index].present[i]) / count;
    }
    Duration cpu = ended_cpu[index];
    Duration delay = ended_delay[index];
    for (const auto& each : threads) {
        if (each.side != side) continue;
        cpu += each.cpu;
        delay += each.run_queue_delay;
        told.busiest_cpu = std::max(told.busiest_cpu, seconds_of(each.cpu) / wall);
        const double ready = seconds_of(each.cpu + each.run_queue_delay) / wall;
        if (ready <= told.busiest_ready) continue;
        told.busiest_ready = ready;
        told.busiest_thread = each.name;
    }
    told.cpu_cores = seconds_of(cpu) / wall;
    told.delay_threads = seconds_of(delay) / wall;
}

std::vector<ThreadActivity> ActivityMonitor::State::all_threads() const {
    std::vector<ThreadActivity> all;
    for (const auto& process : processes) {
        for (const auto& [number, followed] : process.threads) {
            all.push_back(followed.about);
            all.back().samples = followed.watch.samples();
            all.back().seen = followed.watch.seen();
            all.back().cpu = followed.watch.cpu();
            all.back().run_queue_delay = followed.watch.run_queue_delay();
        }
    }
    return all;
}

void ActivityMonitor::State::conclude() {
    report.interval = interval;
    report.samples = samples;
    report.missed = missed;
    if (interval > Duration::zero())
        report.left_out = static_cast<std::uint64_t>(std::max<Duration>(waited, {}) / interval);
    report.fault_cost = fault_cost;
    report.wall = samples > 0 ? last - first : Duration::zero();
    const double wall = seconds_of(report.wall);
    if (samples == 0 || wall <= 0) return;
    auto threads = all_threads();
    conclude_side(ActivitySide::system, wall, threads);
    conclude_side(ActivitySide::injector, wall, threads);
    around->fill(report);
    for (const auto& process : processes)
        for (const auto& [number, followed] : process.threads) blind |= followed.watch.is_blind();
    if (!why_not_all.empty()) {
        report.why_blind = fmt::format("some threads are not followed: {}", why_not_all);
    } else if (blind) {
        report.why_blind = "the system calls that threads are blocked in are not ours to read";
    }
    if (lock_held_samples) {
        report.file_lock_held =
            static_cast<double>(*lock_held_samples) / static_cast<double>(asleep_samples);
    }
    std::ranges::sort(threads, std::greater{}, &ThreadActivity::cpu);
    if (threads.size() > kThreadsTold) threads.resize(kThreadsTold);
    report.threads = std::move(threads);
    report.cost.cpu = cpu_in_window;
    report.cost.cpu_per_sample = cpu_of_samples / samples;
    report.cost.core_share = seconds_of(cpu_in_window) / wall;
    const auto cores = static_cast<double>(::sysconf(_SC_NPROCESSORS_ONLN));
    report.cost.machine_share = report.cost.core_share / cores;
    report.cost.memory_bytes = following * sizeof(Followed);
}

Result<std::unique_ptr<ActivityMonitor>> ActivityMonitor::start(
    std::vector<ActivityProcess> processes, ActivityOptions options) {
    const auto invalid = [](const char* why) {
        return std::unexpected(Error{Errc::invalid_argument, why});
    };
    if (processes.empty()) return invalid("no process to sample");
    if (options.samples_max == 0) return invalid("no sample to take");
    if (options.interval < kIntervalLeast) return invalid("the sampling interval is below 1 ms");
    auto state = std::make_unique<State>();
    std::vector<pid_t> injector_pids;
    for (const auto& [pid, role] : processes) {
        const auto path = options.root / "proc" / std::to_string(pid);
        base::UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!directory)
            return std::unexpected(base::errno_error(fmt::format("process {}", pid), errno));
        state->processes.push_back({pid, role, std::move(directory), {}});
        (role == ActivityRole::injector ? injector_pids : state->system_pids).push_back(pid);
    }
    state->options = std::move(options);
    state->fault_cost = measure_fault_cost();
    state->around.emplace(state->system_pids, std::move(injector_pids), state->options.own,
                          state->options.root);
    auto monitor = std::unique_ptr<ActivityMonitor>(new ActivityMonitor(std::move(state)));
    State& running = *monitor->state_;
    running.runner = std::jthread([&running](const std::stop_token& stop) { running.run(stop); });
    return monitor;
}

ActivityMonitor::ActivityMonitor(std::unique_ptr<State> state) : state_(std::move(state)) {}

ActivityMonitor::~ActivityMonitor() = default;

const ActivityReport& ActivityMonitor::stop() {
    if (!state_->concluded) {
        state_->runner.request_stop();
        state_->runner.join();
        state_->conclude();
        state_->concluded = true;
    }
    return state_->report;
}

}  // namespace crucible::lab
