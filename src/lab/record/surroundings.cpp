#include "lab/record/surroundings.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "lab/record/environment.h"

namespace crucible::lab {
namespace {

/// Parent of all of them, where they are visible.
constexpr pid_t kKernelThreads = 2;

double ticks_per_second() {
    return static_cast<double>(::sysconf(_SC_CLK_TCK));
}

/// user + nice + system from "cpu0 user nice system idle iowait irq softirq steal …", in clock
/// ticks, as lines of /proc/stat begin; "cpu" is that of all cores. Nothing for another line.
struct BusyLine {
    std::string label;
    double seconds = 0;
};
std::optional<BusyLine> parse_busy(const std::string& text) {
    std::istringstream line(text);
    BusyLine busy;
    double ticks[3] = {};
    line >> busy.label;
    for (double& field : ticks) line >> field;
    if (!line || !busy.label.starts_with("cpu")) return std::nullopt;
    busy.seconds = (ticks[0] + ticks[1] + ticks[2]) / ticks_per_second();
    return busy;
}

/// Of all cores.
std::optional<double> read_busy_seconds() {
    const auto busy = parse_busy(base::read_file("/proc/stat").value_or(std::string()));
    if (!busy || busy->label != "cpu") return std::nullopt;
    return busy->seconds;
}

std::optional<double> read_frequency_hz() {
    double sum = 0;
    int cores = 0;
    for (;; ++cores) {
        const auto text = base::read_file(
            fmt::format("/sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq", cores));
        if (!text) break;
        sum += std::strtod(text->c_str(), nullptr) * 1e3;  // kHz
    }
    if (cores == 0) return std::nullopt;
    return sum / cores;
}

struct ProcessTimes {
    pid_t parent = 0;
    double ticks = 0;  ///< its own and those of the children it waited for
};

/// From /proc/<pid>/stat; nothing when the process is gone.
std::optional<ProcessTimes> read_times(const std::filesystem::path& directory) {
    const auto text = base::read_file(directory / "stat");
    if (!text) return std::nullopt;
    // pid (name) state ppid … with utime stime cutime cstime as fields 14 to 17; the name may hold
    // anything.
    const auto name_end = text->rfind(')');
    if (name_end == std::string::npos) return std::nullopt;
    std::istringstream rest(text->substr(name_end + 1));
    std::string word;
    ProcessTimes times;
    for (int field = 3; rest >> word; ++field) {
        if (field == 4) times.parent = static_cast<pid_t>(std::strtol(word.c_str(), nullptr, 10));
        if (field >= 14) times.ticks += std::strtod(word.c_str(), nullptr);
        if (field == 17) return times;
    }
    return std::nullopt;
}

std::map<pid_t, ProcessTimes> read_processes() {
    std::map<pid_t, ProcessTimes> processes;
    std::error_code status;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", status)) {
        const auto name = entry.path().filename().string();
        pid_t pid = 0;
        const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) continue;
        if (const auto times = read_times(entry.path())) processes[pid] = *times;
    }
    return processes;
}

double tree_seconds(std::span<const pid_t> roots) {
    const auto processes = read_processes();
    std::set<pid_t> tree(roots.begin(), roots.end());
    tree.insert(kKernelThreads);
    for (bool grown = true; grown;) {
        grown = false;
        for (const auto& [pid, times] : processes)
            if (tree.contains(times.parent)) grown |= tree.insert(pid).second;
    }
    double ticks = 0;
    for (const pid_t pid : tree) {
        const auto found = processes.find(pid);
        if (found != processes.end()) ticks += found->second.ticks;
    }
    return ticks / ticks_per_second();
}

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

}  // namespace

std::optional<double> read_busy_seconds(const std::set<int>& cores,
                                        const std::filesystem::path& root) {
    std::istringstream lines(base::read_file(root / "proc/stat").value_or(std::string()));
    double sum = 0;
    std::size_t found = 0;
    for (std::string line; std::getline(lines, line);) {
        const auto busy = parse_busy(line);
        if (!busy || busy->label == "cpu") continue;
        if (!cores.contains(std::atoi(busy->label.c_str() + 3))) continue;
        sum += busy->seconds;
        ++found;
    }
    if (found < cores.size()) return std::nullopt;
    return sum;
}

MachineReading read_machine(std::span<const pid_t> roots) {
    MachineReading reading;
    if (!roots.empty()) reading.own_seconds = tree_seconds(roots);
    reading.busy_seconds = read_busy_seconds();
    reading.steal_seconds = read_steal_seconds();
    reading.pressure_seconds = read_cpu_pressure_seconds();
    reading.frequency_hz = read_frequency_hz();
    reading.at = base::monotonic_now();
    reading.wall_offset = base::wall_now().time_since_epoch() - reading.at.time_since_epoch();
    return reading;
}

Surroundings surroundings_between(const MachineReading& first, const MachineReading& last) {
    Surroundings result;
    result.wall = last.at - first.at;
    result.clock_step = last.wall_offset - first.wall_offset;
    result.frequency_hz = last.frequency_hz;
    if (result.wall <= Duration::zero()) return result;
    const auto share = [&](std::optional<double> from, std::optional<double> to) {
        return from && to ? std::optional((*to - *from) / seconds(result.wall)) : std::nullopt;
    };
    result.stolen_cores = share(first.steal_seconds, last.steal_seconds);
    result.pressure = share(first.pressure_seconds, last.pressure_seconds);
    const auto busy = share(first.busy_seconds, last.busy_seconds);
    const auto own = share(first.own_seconds, last.own_seconds);
    // Ticks are dealt out differently to cores and to processes: a little less than none is none.
    if (busy && own) result.other_cores = std::max(0.0, *busy - *own);
    return result;
}

std::string machine_identity() {
    const Machine machine = read_machine_kind();
    return fmt::format("{}, {} cores, {} MiB, {}", machine.cpu_model, machine.cores,
                       machine.memory_bytes >> 20, machine.kernel);
}

}  // namespace crucible::lab
