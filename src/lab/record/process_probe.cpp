#include "lab/record/process_probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <string_view>
#include <vector>

namespace crucible::lab {
namespace {

/// Whole content of a file of /proc, relative to a directory; errno on failure.
std::expected<std::string, int> read_at(int directory, const char* name) {
    const base::UniqueFd file(::openat(directory, name, O_RDONLY | O_CLOEXEC));
    if (!file) return std::unexpected(errno);
    std::string content;
    std::array<char, 4096> block;
    for (;;) {
        const ssize_t count = ::read(file.get(), block.data(), block.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return std::unexpected(errno);
        if (count == 0) return content;
        content.append(block.data(), static_cast<std::size_t>(count));
    }
}

std::uint64_t to_number(std::string_view text) {
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

/// The number after `label` ("Pss:"), which stands at the start of a line.
std::uint64_t labelled_number(std::string_view content, std::string_view label) {
    std::size_t at = content.find(label);
    while (at != std::string_view::npos && at != 0 && content[at - 1] != '\n') {
        at = content.find(label, at + 1);
    }
    if (at == std::string_view::npos) return 0;
    content.remove_prefix(at + label.size());
    content.remove_prefix(std::min(content.find_first_not_of(" \t"), content.size()));
    return to_number(content);
}

Duration from_ticks(std::uint64_t ticks) {
    static const auto kTicksPerSecond = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    return Duration(static_cast<std::int64_t>(ticks * (1'000'000'000 / kTicksPerSecond)));
}

/// Fields of /proc/<pid>/stat from the third ("state") on: the second is the program's name in
/// parentheses, which may itself hold blanks and parentheses.
std::vector<std::string_view> stat_fields(std::string_view line) {
    std::vector<std::string_view> fields;
    line.remove_prefix(std::min(line.rfind(')'), line.size()));
    while (!line.empty()) {
        line.remove_prefix(std::min(line.find(' '), line.size() - 1) + 1);
        const auto field = line.substr(0, line.find(' '));
        if (!field.empty()) fields.push_back(field);
    }
    return fields;
}

}  // namespace

Error ProcessProbe::error(int number) const {
    auto error = base::errno_error(fmt::format("process {}", pid_), number);
    if (number == ESRCH || number == EINVAL) error.code = Errc::not_found;
    return error;
}

Result<ProcessProbe> ProcessProbe::open(pid_t pid) {
    ProcessProbe probe(pid, clockid_t{}, base::UniqueFd());
    const int failure = ::clock_getcpuclockid(pid, &probe.clock_);
    if (pid <= 0 || failure != 0)
        return std::unexpected(probe.error(failure != 0 ? failure : ESRCH));
    probe.directory_ = base::UniqueFd(
        ::open(fmt::format("/proc/{}", pid).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!probe.directory_) return std::unexpected(probe.error(errno));
    return probe;
}

Result<std::string> ProcessProbe::read(const char* name) const {
    auto content = read_at(directory_.get(), name);
    if (content) return std::move(*content);
    // The directory was there when it was opened: what is missing from it now is the process.
    return std::unexpected(error(content.error() == ENOENT ? ESRCH : content.error()));
}

Result<> ProcessProbe::read_counters(ProcessReading& reading) {
    timespec cpu{};
    if (::clock_gettime(clock_, &cpu) != 0) return std::unexpected(error(errno));
    // After the clock: the clock goes by number, and only this proves whose number it was.
    const auto stat = read("stat");
    if (!stat) return std::unexpected(stat.error());
    const auto fields = stat_fields(*stat);
    constexpr std::size_t kState = 0, kUser = 11, kSystem = 12, kThreads = 17, kRss = 21;
    if (fields.size() <= kRss)
        return std::unexpected(Error{Errc::corrupt, fmt::format("/proc/{}/stat", pid_)});
    ended_ = fields[kState] == "Z" || fields[kState] == "X";
    reading.cpu = std::chrono::seconds(cpu.tv_sec) + std::chrono::nanoseconds(cpu.tv_nsec);
    reading.cpu_user = from_ticks(to_number(fields[kUser]));
    reading.cpu_system = from_ticks(to_number(fields[kSystem]));
    reading.threads = static_cast<std::uint32_t>(to_number(fields[kThreads]));
    static const auto kPageBytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    reading.rss_bytes = to_number(fields[kRss]) * kPageBytes;
    return {};
}

Result<> ProcessProbe::read_memory(ProcessReading& reading) {
    reading.pss_bytes = 0;
    if (ended_) return {};
    const auto rollup = read("smaps_rollup");
    if (rollup) {
        reading.pss_bytes = labelled_number(*rollup, "Pss:") * 1024;
    } else if (rollup.error().code != Errc::not_found) {
        return std::unexpected(rollup.error());
    }
    return {};
}

Result<> ProcessProbe::read_switches(ProcessReading& reading) {
    const int task = ::openat(directory_.get(), "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (task < 0) return std::unexpected(error(errno == ENOENT ? ESRCH : errno));
    const auto close = [](DIR* directory) { ::closedir(directory); };
    const std::unique_ptr<DIR, decltype(close)> directory(::fdopendir(task), close);
    while (const dirent* entry = ::readdir(directory.get())) {
        const auto thread = static_cast<pid_t>(to_number(entry->d_name));
        if (thread == 0) continue;
        const auto status = read_at(task, fmt::format("{}/status", thread).c_str());
        if (!status) continue;  // the thread ended meanwhile; what it was last seen with stays
        const Switches now{labelled_number(*status, "voluntary_ctxt_switches:"),
                           labelled_number(*status, "nonvoluntary_ctxt_switches:")};
        Switches& last = by_thread_[thread];
        if (now.voluntary < last.voluntary || now.involuntary < last.involuntary) {
            earlier_threads_.voluntary += last.voluntary;
            earlier_threads_.involuntary += last.involuntary;
        }
        last = now;
    }
    reading.voluntary_switches = earlier_threads_.voluntary;
    reading.involuntary_switches = earlier_threads_.involuntary;
    for (const auto& [thread, switches] : by_thread_) {
        reading.voluntary_switches += switches.voluntary;
        reading.involuntary_switches += switches.involuntary;
    }
    return {};
}

Result<ProcessReading> read_process(pid_t pid) {
    auto probe = ProcessProbe::open(pid);
    if (!probe) return std::unexpected(probe.error());
    ProcessReading reading;
    if (auto read = probe->read_counters(reading); !read) return std::unexpected(read.error());
    if (auto read = probe->read_memory(reading); !read) return std::unexpected(read.error());
    if (auto read = probe->read_switches(reading); !read) return std::unexpected(read.error());
    return reading;
}

}  // namespace crucible::lab
