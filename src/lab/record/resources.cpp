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

#include "lab/record/process_probe.h"

namespace crucible::lab {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr Duration kIntervalMin = std::chrono::milliseconds(10);
constexpr Duration kSwitchesInterval = std::chrono::seconds(1);
constexpr int kMemoryShare =
    100;  // memory is read again after 100 times what reading it took: 1 % of a core

Duration thread_cpu() noexcept {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

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
    SteadyTime started;
    Usage usage;
    std::optional<Usage> result;

    SteadyTime next_memory;
    SteadyTime next_switches;
    SteadyTime last_memory_time;
    double last_memory_bytes = 0;
    double memory_byte_seconds = 0;
    std::atomic<std::uint64_t> memory_samples{0};

    std::mutex mutex;
    std::condition_variable_any wake;
    std::jthread thread;  // last: it ends before what it uses

    void sample(bool everything);
    void sample_memory(SteadyTime now);
    void sample_until(const std::stop_token& stop);
    void conclude();
};

/// Reads counters now, and memory and switches when they are due (or `everything` is asked).
void ResourceMonitor::State::sample(bool everything) {
    const auto now = std::chrono::steady_clock::now();
    const bool switches = everything || now >= next_switches;
    if (switches) next_switches = now + kSwitchesInterval;
    std::uint32_t threads = 0;
    for (auto& process : processes) {
        if (process.gone) continue;
        // Whatever fails, the reading before it stands: a process that died counts with its last
        // one.
        process.gone = !process.probe.read_counters(process.last);
        if (process.gone) continue;
        threads += process.last.threads;
        if (switches) static_cast<void>(process.probe.read_switches(process.last));
    }
    usage.threads_max = std::max(usage.threads_max, threads);
    ++usage.samples;
    if (everything || now >= next_memory) sample_memory(now);
}

void ResourceMonitor::State::sample_memory(SteadyTime now) {
    const Duration before = thread_cpu();
    double bytes = 0;
    for (auto& process : processes) {
        if (process.gone) continue;
        if (process.probe.read_memory(process.last))
            bytes += static_cast<double>(process.last.pss_bytes);
    }
    next_memory = now + kMemoryShare * (thread_cpu() - before);
    if (usage.memory_samples > 0) {
        const std::chrono::duration<double> elapsed = now - last_memory_time;
        memory_byte_seconds += elapsed.count() * (last_memory_bytes + bytes) / 2;
    }
    last_memory_time = now;
    last_memory_bytes = bytes;
    usage.memory_peak_bytes = std::max(usage.memory_peak_bytes, bytes);
    ++usage.memory_samples;
    memory_samples.store(usage.memory_samples, std::memory_order_release);
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
    usage.sampler_cpu += thread_cpu();
}

void ResourceMonitor::State::conclude() {
    const auto wall = last_memory_time - started;
    usage.wall = std::chrono::duration_cast<Duration>(wall);
    const double seconds = std::chrono::duration<double>(wall).count();
    usage.memory_mean_bytes = seconds > 0 ? memory_byte_seconds / seconds : last_memory_bytes;
    for (const auto& [probe, first, last, gone] : processes) {
        usage.cpu += last.cpu - first.cpu;
        usage.cpu_user += last.cpu_user - first.cpu_user;
        usage.cpu_system += last.cpu_system - first.cpu_system;
        usage.voluntary_switches += last.voluntary_switches - first.voluntary_switches;
        usage.involuntary_switches += last.involuntary_switches - first.involuntary_switches;
    }
}

Result<std::unique_ptr<ResourceMonitor>> ResourceMonitor::start(std::vector<pid_t> pids,
                                                                Duration interval) {
    if (interval < kIntervalMin) {
        return std::unexpected(
            Error{Errc::invalid_argument, "the sampling interval is below 10 ms"});
    }
    auto state = std::make_unique<State>();
    const Duration cpu_before = thread_cpu();
    state->interval = interval;
    for (const pid_t pid : pids) {
        auto probe = ProcessProbe::open(pid);
        if (!probe) return std::unexpected(probe.error());
        ProcessReading reading;
        if (auto read = probe->read_counters(reading); !read) return std::unexpected(read.error());
        if (auto read = probe->read_memory(reading); !read) return std::unexpected(read.error());
        state->processes.push_back({std::move(*probe), {}, {}});
    }
    state->sample(true);
    for (auto& process : state->processes) process.first = process.last;
    state->started = state->last_memory_time;
    state->usage.sampler_cpu = thread_cpu() - cpu_before;
    auto monitor = std::unique_ptr<ResourceMonitor>(new ResourceMonitor(std::move(state)));
    State& running = *monitor->state_;
    running.thread =
        std::jthread([&running](const std::stop_token& stop) { running.sample_until(stop); });
    return monitor;
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

std::uint64_t ResourceMonitor::memory_samples() const noexcept {
    return state_->memory_samples.load(std::memory_order_acquire);
}

}  // namespace crucible::lab
