#include "lab/record/environment.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <string_view>

#include "base/clock.h"
#include "base/file.h"
#include "base/realtime.h"
#include "lab/record/histogram.h"
#include "lab/record/pressure.h"

namespace crucible::lab {
namespace {

std::string read_or_empty(const char* path) {
    return base::read_file(path).value_or(std::string());
}

/// What follows `key` and `separator` in the first line that begins with `key`; empty where there
/// is none.
std::string value_of(std::string_view content, std::string_view key, char separator) {
    while (!content.empty()) {
        const auto line = content.substr(0, content.find('\n'));
        content.remove_prefix(std::min(line.size() + 1, content.size()));
        const auto at = line.find(separator);
        if (!line.starts_with(key) || at == std::string_view::npos) continue;
        auto value = line.substr(at + 1);
        value.remove_prefix(std::min(value.find_first_not_of(" \t\""), value.size()));
        return std::string(value.substr(0, value.find_last_not_of(" \t\"") + 1));
    }
    return {};
}

std::uint32_t usable_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) == 0)
        return static_cast<std::uint32_t>(CPU_COUNT(&set));
    return static_cast<std::uint32_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
}

/// Lateness of sleeps to a due time, on an otherwise idle thread.
Histogram measure_wakeups() {
    constexpr int kSleeps = 200;
    constexpr Duration kSleep = std::chrono::microseconds(500);
    const int slack = ::prctl(PR_GET_TIMERSLACK);
    base::set_precise_timers();
    base::SteadyClock clock;
    Histogram lateness;
    lateness.reserve();
    for (int i = 0; i < kSleeps; ++i) {
        const TimePoint due = clock.now() + kSleep;
        clock.sleep_until(due);
        lateness.record(clock.now() - due);
    }
    if (slack > 0) ::prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(slack), 0UL, 0UL, 0UL);
    return lateness;
}

}  // namespace

std::optional<double> read_steal_seconds() {
    // cpu  user nice system idle iowait irq softirq steal …, in clock ticks
    std::istringstream line(read_or_empty("/proc/stat"));
    std::string label;
    double ticks = 0;
    line >> label;
    for (int field = 0; field < 8; ++field) line >> ticks;
    if (!line || label != "cpu") return std::nullopt;
    return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::optional<double> read_cpu_pressure_seconds() {
    const auto pressure = read_pressure("/proc/pressure/cpu");
    if (!pressure) return std::nullopt;
    return pressure->some_seconds;
}

Machine read_machine_kind() {
    Machine machine;
    machine.cpu_model = value_of(read_or_empty("/proc/cpuinfo"), "model name", ':');
    if (machine.cpu_model.empty()) machine.cpu_model = "unknown";
    machine.cores = usable_cores();
    machine.memory_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                           static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    utsname name{};
    ::uname(&name);
    machine.kernel = fmt::format("{} {} {}", name.sysname, name.release, name.machine);
    return machine;
}

Environment read_environment() {
    Environment environment{read_machine_kind()};
    environment.os = value_of(read_or_empty("/etc/os-release"), "PRETTY_NAME", '=');
    const auto governor = base::read_file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    environment.idle_latency_limit = base::idle_latency_limit();
    if (governor) environment.frequency_governor = governor->substr(0, governor->find('\n'));
    double loads[3] = {};
    if (::getloadavg(loads, 3) == 3) {
        environment.load_average_1m = loads[0];
        environment.load_average_5m = loads[1];
        environment.load_average_15m = loads[2];
    }
    const Histogram wakeups = measure_wakeups();
    environment.wakeup_p50 = wakeups.quantile(0.50);
    environment.wakeup_p99 = wakeups.quantile(0.99);
    return environment;
}

}  // namespace crucible::lab
