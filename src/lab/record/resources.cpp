#include "lab/record/resources.h"

#include <fmt/format.h>
#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "lab/record/process_probe.h"
#include "lab/record/resource_recorder.h"

namespace crucible::lab {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr Duration kIntervalMin = std::chrono::milliseconds(10);
constexpr Duration kSwitchesInterval = std::chrono::seconds(1);
// What is costly is read again after 100 times what reading it took: 1 % of a core.
constexpr int kCostlyShare = 100;

struct Watched {
    ProcessProbe probe;
    ProcessReading first;
    ProcessReading last;
    bool gone = false;
};

}  // namespace

// Written by start() until the thread runs, then by the thread alone, and by stop() once the thread
// has ended.
struct ResourceMonitor::State {
    std::vector<Watched> processes;
    Duration interval{};
    std::optional<ResourceRecorder> recorder;  ///< at Depth::full; numbers processes alike
    SteadyTime started;
    Usage usage;
    SamplerCost cost;
    std::optional<Usage> result;

    SteadyTime next_costly;
    SteadyTime next_switches;
    SteadyTime last_costly;
    SteadyTime last_memory_time;
    double last_memory_bytes = 0;
    double memory_byte_seconds = 0;
    std::atomic<std::uint64_t> costly_samples{0};

    std::mutex mutex;
    std::condition_variable_any wake;
    std::jthread thread;  // last: it ends before what it uses

    Duration since_start() const { return std::chrono::steady_clock::now() - started; }
    void sample(bool everything);
    void sample_cheap(bool switches);
    void sample_costly(SteadyTime now);
    void take_memory(SteadyTime now, double bytes);
    void sample_until(const std::stop_token& stop);
    void conclude();
};

/// Reads counters now, and what is costly and the switches when they are due (or `everything` is
/// asked).
void ResourceMonitor::State::sample(bool everything) {
    const auto now = std::chrono::steady_clock::now();
    if (usage.samples == 0) started = last_memory_time = now;
    const bool switches = everything || now >= next_switches;
    if (switches) next_switches = now + kSwitchesInterval;
    sample_cheap(switches && !recorder);
    if (everything || now >= next_costly) sample_costly(now);
    cost.wall += std::chrono::steady_clock::now() - now;
}

void ResourceMonitor::State::sample_cheap(bool switches) {
    std::uint32_t threads = 0;
    for (std::size_t i = 0; i < processes.size(); ++i) {
        auto& [probe, first, last, gone] = processes[i];
        if (gone) continue;
        // Whatever fails, the reading before it stands: a process that died counts with its last
        // one.
        gone = !probe.read_counters(last);
        if (gone) {
            if (recorder) recorder->end_process(i, since_start());
            continue;
        }
        threads += last.threads;
        if (switches) static_cast<void>(probe.read_switches(last));
        if (recorder) recorder->take_cheap(i, since_start(), probe, last);
    }
    usage.threads_max = std::max(usage.threads_max, threads);
    ++usage.samples;
}

void ResourceMonitor::State::sample_costly(SteadyTime now) {
    const Duration before = base::thread_cpu_time();
    double bytes = 0;
    bool all_read = true;
    for (std::size_t i = 0; i < processes.size(); ++i) {
        auto& [probe, first, last, gone] = processes[i];
        if (gone) continue;
        const auto memory = probe.read_memory(last);
        all_read &= memory.has_value();
        if (memory) bytes += static_cast<double>(*last.pss_bytes);
        if (recorder) recorder->take_costly(i, since_start(), probe, last, memory);
    }
    if (recorder) recorder->take_surroundings(since_start());
    const Duration took = base::thread_cpu_time() - before;
    cost.costly_cpu += took;
    next_costly = now + kCostlyShare * took;
    last_costly = now;
    if (all_read) take_memory(now, bytes);
    costly_samples.store(++cost.costly_samples, std::memory_order_release);
}

void ResourceMonitor::State::take_memory(SteadyTime now, double bytes) {
    if (usage.memory_samples > 0) {
        const std::chrono::duration<double> elapsed = now - last_memory_time;
        memory_byte_seconds += elapsed.count() * (last_memory_bytes + bytes) / 2;
    }
    last_memory_time = now;
    last_memory_bytes = bytes;
    usage.memory_peak_bytes = std::max(usage.memory_peak_bytes, bytes);
    ++usage.memory_samples;
}

void ResourceMonitor::State::sample_until(const std::stop_token& stop) {
    ::pthread_setname_np(::pthread_self(), "monitor");
    auto deadline = started + interval;
    std::unique_lock lock(mutex);
    for (bool last = false; !last;) {
        wake.wait_until(lock, stop, deadline, [] { return false; });
        last = stop.stop_requested();
        sample(last);
        // Due times stay on their grid; those missed while this machine was busy are skipped, not
        // made up.
        for (const auto now = std::chrono::steady_clock::now(); deadline <= now;)
            deadline += interval;
    }
    usage.sampler_cpu += base::thread_cpu_time();
}

void ResourceMonitor::State::conclude() {
    usage.wall = last_costly - started;
    const double seconds = std::chrono::duration<double>(last_memory_time - started).count();
    usage.memory_mean_bytes = seconds > 0 ? memory_byte_seconds / seconds : last_memory_bytes;
    for (const auto& [probe, first, last, gone] : processes) {
        usage.cpu += last.cpu - first.cpu;
        usage.cpu_user += last.cpu_user - first.cpu_user;
        usage.cpu_system += last.cpu_system - first.cpu_system;
        usage.voluntary_switches += last.voluntary_switches - first.voluntary_switches;
        usage.involuntary_switches += last.involuntary_switches - first.involuntary_switches;
    }
}

Result<std::unique_ptr<ResourceMonitor>> ResourceMonitor::start(
    std::vector<MonitoredProcess> processes, const MonitorOptions& options) {
    if (options.interval < kIntervalMin) {
        return std::unexpected(
            Error{Errc::invalid_argument, "the sampling interval is below 10 ms"});
    }
    auto state = std::make_unique<State>();
    const Duration cpu_before = base::thread_cpu_time();
    state->interval = options.interval;
    if (options.depth == Depth::full) state->recorder.emplace(options.interval, options.root);
    for (auto& [pid, role] : processes) {
        auto probe = ProcessProbe::open(pid, options.root);
        if (!probe) return std::unexpected(probe.error());
        ProcessReading reading;
        if (auto read = probe->read_counters(reading); !read) return std::unexpected(read.error());
        if (auto read = probe->read_memory(reading); !read && !state->recorder)
            return std::unexpected(read.error());
        if (state->recorder) state->recorder->add_process(pid, std::move(role), *probe);
        state->processes.push_back({std::move(*probe), {}, {}});
    }
    state->sample(true);
    for (auto& process : state->processes) process.first = process.last;
    state->usage.sampler_cpu = base::thread_cpu_time() - cpu_before;
    auto monitor = std::unique_ptr<ResourceMonitor>(new ResourceMonitor(std::move(state)));
    State& running = *monitor->state_;
    running.thread =
        std::jthread([&running](const std::stop_token& stop) { running.sample_until(stop); });
    return monitor;
}

Result<std::unique_ptr<ResourceMonitor>> ResourceMonitor::start(const std::vector<pid_t>& pids,
                                                                Duration interval) {
    std::vector<MonitoredProcess> processes;
    for (const pid_t pid : pids) processes.push_back({pid, {}});
    return start(std::move(processes), {.interval = interval});
}

ResourceMonitor::ResourceMonitor(std::unique_ptr<State> state) : state_(std::move(state)) {}

ResourceMonitor::~ResourceMonitor() = default;

Usage ResourceMonitor::stop() {
    if (!state_->result) {
        state_->thread.request_stop();
        state_->thread.join();
        state_->conclude();
        state_->result = state_->usage;
    }
    return *state_->result;
}

ResourceReport ResourceMonitor::report() {
    const Usage usage = stop();
    ResourceReport report = state_->recorder ? state_->recorder->report() : ResourceReport{};
    const auto series_bytes = report.sampler.series_bytes;
    report.wall = usage.wall;
    report.interval = state_->interval;
    report.sampler = state_->cost;
    report.sampler.cpu = usage.sampler_cpu;
    report.sampler.samples = usage.samples;
    report.sampler.series_bytes = series_bytes;
    return report;
}

std::uint64_t ResourceMonitor::costly_samples() const noexcept {
    return state_->costly_samples.load(std::memory_order_acquire);
}

}  // namespace crucible::lab
