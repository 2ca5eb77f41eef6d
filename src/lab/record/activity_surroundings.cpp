#include "lab/record/activity_surroundings.h"

#include <linux/perf_event.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/clock.h"

namespace crucible::lab {
namespace {

double in_seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

/// That one of these processes may use; all of the machine's where that cannot be read.
std::set<int> allowed_cores(const std::vector<pid_t>& pids) {
    std::set<int> cores;
    for (const pid_t pid : pids) {
        cpu_set_t set;
        CPU_ZERO(&set);
        if (::sched_getaffinity(pid, sizeof set, &set) != 0) continue;
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
            if (CPU_ISSET(cpu, &set)) cores.insert(cpu);
    }
    if (!cores.empty()) return cores;
    for (int cpu = 0; cpu < ::sysconf(_SC_NPROCESSORS_ONLN); ++cpu) cores.insert(cpu);
    return cores;
}

std::optional<double> growth(const Result<std::uint64_t>& first,
                             const Result<std::uint64_t>& last) {
    if (!first || !last || *last < *first) return std::nullopt;
    return static_cast<double>(*last - *first);
}

std::optional<double> growth(std::optional<double> first, std::optional<double> last) {
    if (!first || !last) return std::nullopt;
    return *last - *first;
}

std::optional<double> growth(const Result<Pressure>& first, const Result<Pressure>& last) {
    if (!first || !last) return std::nullopt;
    return last->some_seconds - first->some_seconds;
}

/// The larger of two of which each may be absent.
void raise(std::optional<double>& to, std::optional<double> value) {
    if (value && (!to || *value > *to)) to = value;
}

void add(std::optional<double>& to, std::optional<double> value) {
    if (value) to = to.value_or(0) + *value;
}

}  // namespace

Duration measure_fault_cost() {
    constexpr std::size_t pages = 256;
    constexpr int rounds = 3;
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* const memory =
        ::mmap(nullptr, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return {};
    ::madvise(memory, pages * page, MADV_NOHUGEPAGE);
    auto* const bytes = static_cast<volatile char*>(memory);
    const Duration before = base::thread_cpu_time();
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < pages; ++i) bytes[i * page] = 1;
        ::madvise(memory, pages * page, MADV_DONTNEED);
    }
    const Duration cost = (base::thread_cpu_time() - before) / (rounds * pages);
    ::munmap(memory, pages * page);
    return cost;
}

void ActivitySurroundings::open_counters(pid_t pid) {
    constexpr std::array<std::uint64_t, kCounters> events{
        PERF_COUNT_HW_CPU_CYCLES, PERF_COUNT_HW_INSTRUCTIONS, PERF_COUNT_HW_CACHE_MISSES};
    std::array<std::optional<PerfCounter>, kCounters> opened;
    for (std::size_t i = 0; i < kCounters; ++i) {
        auto counter = PerfCounter::open(pid, {PERF_TYPE_HARDWARE, events[i]});
        if (!counter) {
            why_no_counters_ = counter.error().message;
            return;
        }
        opened[i] = *std::move(counter);
    }
    counters_.push_back({*std::move(opened[0]), *std::move(opened[1]), *std::move(opened[2])});
}

void ActivitySurroundings::join_group(pid_t pid) {
    auto cgroup = Cgroup::find(pid, root_);
    if (!cgroup) return;
    const bool known = std::ranges::any_of(
        groups_, [&](const Group& group) { return group.cgroup.where() == cgroup->where(); });
    if (known) return;
    groups_.push_back({*std::move(cgroup), {}, {}});
}

void ActivitySurroundings::open() {
    for (const pid_t pid : system_) {
        if (auto probe = ProcessProbe::open(pid, root_))
            processes_.push_back({*std::move(probe), {}, {}});
        open_counters(pid);
        join_group(pid);
    }
    find_cores();
}

void ActivitySurroundings::find_cores() {
    cores_ = allowed_cores(system_);
    injector_on_cores_ = 1;
    if (injector_.empty()) return;
    const auto injector = allowed_cores(injector_);
    const auto shared =
        std::ranges::count_if(injector, [&](int cpu) { return cores_.contains(cpu); });
    if (shared == 0) {
        injector_on_cores_ = 0;
    } else if (static_cast<std::size_t>(shared) < injector.size()) {
        injector_on_cores_ = std::nullopt;
    }
}

ActivitySurroundings::MachinePressure ActivitySurroundings::read_pressures() const {
    const auto seconds = [&](const char* resource) -> std::optional<double> {
        const auto pressure = read_pressure(root_ / "proc/pressure" / resource);
        if (!pressure) return std::nullopt;
        return pressure->some_seconds;
    };
    return {seconds("cpu"), seconds("memory"), seconds("io")};
}

void ActivitySurroundings::begin() {
    for (auto& [probe, first, last] : processes_) {
        static_cast<void>(probe.read_counters(first));
        static_cast<void>(probe.read_switches(first));
        static_cast<void>(probe.read_io(first));
        last = first;
    }
    for (auto& [cgroup, first, last] : groups_) first = last = cgroup.read();
    busy_first_ = read_busy_seconds(cores_, root_);
    pressure_first_ = read_pressures();
    for (std::size_t i = 0; i < kCounters; ++i)
        for (const auto& counters : counters_) counts_first_[i] += counters[i].read().value_or(0);
    machine_first_ = read_machine(own_);
}

void ActivitySurroundings::end() {
    machine_last_ = read_machine(own_);
    busy_last_ = read_busy_seconds(cores_, root_);
    pressure_last_ = read_pressures();
    for (auto& [cgroup, first, last] : groups_) last = cgroup.read();
    for (auto& [probe, first, last] : processes_) {
        // One that is gone counts with its last reading.
        static_cast<void>(probe.read_counters(last));
        static_cast<void>(probe.read_switches(last));
        static_cast<void>(probe.read_io(last));
    }
    for (std::size_t i = 0; i < kCounters; ++i)
        for (const auto& counters : counters_) counts_last_[i] += counters[i].read().value_or(0);
}

void ActivitySurroundings::fill_processes(ActivityReport& report, double seconds) const {
    Duration cpu_all{};
    Duration cpu_system{};
    for (const auto& [probe, first, last] : processes_) {
        cpu_all += last.cpu_user + last.cpu_system - first.cpu_user - first.cpu_system;
        cpu_system += last.cpu_system - first.cpu_system;
        const auto rate = [seconds](std::uint64_t from, std::uint64_t to) {
            return to > from ? static_cast<double>(to - from) / seconds : 0.0;
        };
        report.minor_faults += rate(first.minor_faults, last.minor_faults);
        report.major_faults += rate(first.major_faults, last.major_faults);
        report.voluntary_switches += rate(first.voluntary_switches, last.voluntary_switches);
        report.involuntary_switches += rate(first.involuntary_switches, last.involuntary_switches);
        if (!first.io || !last.io) continue;
        add(report.storage_read_bytes,
            rate(first.io->storage_read_bytes, last.io->storage_read_bytes));
        add(report.storage_written_bytes,
            rate(first.io->storage_written_bytes, last.io->storage_written_bytes));
    }
    if (cpu_all > Duration::zero())
        report.kernel_share = in_seconds(cpu_system) / in_seconds(cpu_all);
}

void ActivitySurroundings::fill_groups(ActivityReport& report, double seconds) const {
    for (const auto& [cgroup, first, last] : groups_) {
        const auto& limits = cgroup.limits();
        const auto quota = limits.cpu_max_cores.value;
        if (quota && (!report.quota_cores || *quota < *report.quota_cores))
            report.quota_cores = quota;
        if (first.throttling && last.throttling) {
            add(report.throttled_cores,
                in_seconds(last.throttling->stopped - first.throttling->stopped) / seconds);
        }
        const auto memory = limits.memory_max_bytes.value;
        if (memory && (!report.memory_limit_bytes || *memory < *report.memory_limit_bytes)) {
            report.memory_limit_bytes = memory;
            if (last.memory_bytes)
                report.memory_used_bytes = static_cast<double>(*last.memory_bytes);
        }
        if (memory) {
            const auto hits = growth(first.limit_hits, last.limit_hits);
            if (hits) add(report.memory_limit_hits, *hits / seconds);
        }
    }
}

void ActivitySurroundings::fill_pressures(ActivityReport& report, double seconds) const {
    const auto share = [seconds](std::optional<double> grown) -> std::optional<double> {
        if (!grown) return std::nullopt;
        return std::clamp(*grown / seconds, 0.0, 1.0);
    };
    // The cgroup's own says it of the system alone; that of the machine may be a neighbour's.
    for (const auto& [cgroup, first, last] : groups_) {
        raise(report.pressure_cpu, share(growth(first.cpu, last.cpu)));
        raise(report.pressure_memory, share(growth(first.memory, last.memory)));
        raise(report.pressure_io, share(growth(first.io, last.io)));
    }
    if (!report.pressure_cpu)
        report.pressure_cpu = share(growth(pressure_first_.cpu, pressure_last_.cpu));
    if (!report.pressure_memory)
        report.pressure_memory = share(growth(pressure_first_.memory, pressure_last_.memory));
    if (!report.pressure_io)
        report.pressure_io = share(growth(pressure_first_.io, pressure_last_.io));
}

void ActivitySurroundings::fill_counters(ActivityReport& report) const {
    report.why_no_counters = why_no_counters_;
    const double cycles = counts_last_[0] - counts_first_[0];
    const double instructions = counts_last_[1] - counts_first_[1];
    const double misses = counts_last_[2] - counts_first_[2];
    if (cycles <= 0 || instructions <= 0) return;
    report.instructions_per_cycle = instructions / cycles;
    report.cache_misses_per_kilo_instruction = 1000 * misses / instructions;
}

void ActivitySurroundings::fill_cores(ActivityReport& report) const {
    report.cores = static_cast<double>(cores_.size());
    report.injector_on_cores = injector_on_cores_;
    const auto& around = report.surroundings;
    const auto machine = static_cast<double>(::sysconf(_SC_NPROCESSORS_ONLN));
    const double stolen = around.stolen_cores.value_or(0) * std::min(1.0, report.cores / machine);
    if (report.cores >= machine) {
        if (around.other_cores) report.neighbour_cores = *around.other_cores + stolen;
        return;
    }
    // Whose the time of a single core was is not counted, but whose the rest of it is not.
    const auto busy = growth(busy_first_, busy_last_);
    if (!busy || !injector_on_cores_) return;
    const double own =
        report.system().cpu_cores + *injector_on_cores_ * report.injector().cpu_cores;
    report.neighbour_cores = std::max(0.0, *busy / in_seconds(around.wall) - own) + stolen;
}

void ActivitySurroundings::fill(ActivityReport& report) const {
    report.surroundings = surroundings_between(machine_first_, machine_last_);
    const double seconds = in_seconds(report.surroundings.wall);
    if (seconds <= 0) return;
    fill_cores(report);
    fill_processes(report, seconds);
    fill_groups(report, seconds);
    fill_pressures(report, seconds);
    fill_counters(report);
}

}  // namespace crucible::lab
