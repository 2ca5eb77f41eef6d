#include "lab/record/process_probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include "lab/record/proc_text.h"

namespace crucible::lab {
namespace {

std::optional<ThreadTotals::Counts> parse_switches(std::string_view status) {
    const auto voluntary = labelled_number(status, "voluntary_ctxt_switches:");
    const auto involuntary = labelled_number(status, "nonvoluntary_ctxt_switches:");
    if (!voluntary || !involuntary) return std::nullopt;
    return ThreadTotals::Counts{*voluntary, *involuntary};
}

/// "<ns on a core> <ns in a run queue> <times it was given a core>": the second and the third.
std::optional<ThreadTotals::Counts> parse_schedstat(std::string_view line) {
    ThreadTotals::Counts counts{};
    for (auto& count : counts) {
        line.remove_prefix(std::min(line.find(' '), line.size() - 1) + 1);
        const auto number = leading_number(line);
        if (!number) return std::nullopt;
        count = *number;
    }
    return counts;
}

}  // namespace

ProcessProbe::ProcessProbe(pid_t pid, clockid_t clock, base::UniqueFd directory)
    : pid_(pid),
      clock_(clock),
      directory_(std::move(directory)),
      switches_("status", parse_switches),
      delay_("schedstat", parse_schedstat) {}

Error ProcessProbe::error(int number) const {
    auto error = base::errno_error(fmt::format("process {}", pid_), number);
    if (number == ESRCH || number == EINVAL) error.code = Errc::not_found;
    return error;
}

/// Of a file in its directory, which was there when it was opened: what is missing from it now is
/// the process, or the file on this kernel.
Error ProcessProbe::error(const char* name, int number) const {
    if (number == ENOENT && ::faccessat(directory_.get(), "stat", F_OK, 0) == 0)
        return {Errc::unsupported, fmt::format("this kernel has no /proc/<pid>/{}", name)};
    if (number == ENOENT || number == ESRCH) return error(ESRCH);
    if (number == EINVAL) return corrupt(name);
    return base::errno_error(fmt::format("/proc/{}/{}", pid_, name), number);
}

Error ProcessProbe::corrupt(const char* name) const {
    return {Errc::corrupt, fmt::format("/proc/{}/{} is not what it should be", pid_, name)};
}

Result<ProcessProbe> ProcessProbe::open(pid_t pid, const std::filesystem::path& root) {
    ProcessProbe probe(pid, clockid_t{}, base::UniqueFd());
    const int failure = ::clock_getcpuclockid(pid, &probe.clock_);
    if (pid <= 0 || failure != 0)
        return std::unexpected(probe.error(failure != 0 ? failure : ESRCH));
    probe.directory_ = base::UniqueFd(
        ::open((root / "proc" / std::to_string(pid)).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!probe.directory_) return std::unexpected(probe.error(errno));
    struct statfs system {};
    probe.in_procfs_ =
        ::fstatfs(probe.directory_.get(), &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
    return probe;
}

Result<std::string> ProcessProbe::read(const char* name) const {
    auto content = read_at(directory_.get(), name);
    if (content) return std::move(*content);
    return std::unexpected(error(name, content.error()));
}

Result<> ProcessProbe::read_counters(ProcessReading& reading) {
    timespec cpu{};
    if (::clock_gettime(clock_, &cpu) != 0) return std::unexpected(error(errno));
    // After the clock: the clock goes by number, and only this proves whose number it was.
    const auto stat = read("stat");
    if (!stat) return std::unexpected(stat.error());
    const auto fields = stat_fields(*stat);
    constexpr std::size_t kState = 0, kMinor = 7, kMajor = 9, kUser = 11, kSystem = 12,
                          kThreads = 17, kVirtual = 20, kRss = 21;
    const auto readable = [&](std::size_t field) {
        return field < fields.size() && leading_number(fields[field]);
    };
    if (!std::ranges::all_of(std::array{kMinor, kMajor, kUser, kSystem, kThreads, kVirtual, kRss},
                             readable))
        return std::unexpected(corrupt("stat"));
    const auto number = [&](std::size_t field) { return *leading_number(fields[field]); };
    ended_ = fields[kState] == "Z" || fields[kState] == "X";
    has_memory_ = number(kVirtual) > 0;
    reading.cpu = std::chrono::seconds(cpu.tv_sec) + std::chrono::nanoseconds(cpu.tv_nsec);
    reading.cpu_user = from_ticks(number(kUser));
    reading.cpu_system = from_ticks(number(kSystem));
    reading.threads = static_cast<std::uint32_t>(number(kThreads));
    reading.minor_faults = number(kMinor);
    reading.major_faults = number(kMajor);
    static const auto kPageBytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    reading.rss_bytes = number(kRss) * kPageBytes;
    return {};
}

Result<> ProcessProbe::read_memory(ProcessReading& reading) {
    const auto rollup = ended_ ? Result<std::string>(std::string()) : read("smaps_rollup");
    const bool gone = !rollup && rollup.error().code == Errc::not_found;
    if (ended_ || gone) {
        has_memory_ = false;
        reading.pss_bytes = reading.swap_bytes = 0;
        return {};
    }
    if (!rollup) return std::unexpected(rollup.error());
    const auto pss = labelled_number(*rollup, "Pss:");
    const auto swap = labelled_number(*rollup, "Swap:");
    if (!pss || !swap) return std::unexpected(corrupt("smaps_rollup"));
    reading.pss_bytes = *pss * 1024;
    reading.swap_bytes = *swap * 1024;
    return {};
}

Result<> ProcessProbe::read_switches(ProcessReading& reading) {
    const auto total = switches_.update(directory_.get());
    if (!total) return std::unexpected(error("task", total.error()));
    reading.voluntary_switches = (*total)[0];
    reading.involuntary_switches = (*total)[1];
    return {};
}

Result<> ProcessProbe::read_delay(ProcessReading& reading) {
    const auto total = delay_.update(directory_.get());
    if (!total) return std::unexpected(error("schedstat", total.error()));
    // A thread that runs was given a core at least once.
    if ((*total)[1] == 0)
        return std::unexpected(
            Error{Errc::unsupported, "this kernel keeps no run-queue delay (sched_schedstats)"});
    reading.run_queue_delay = Duration(static_cast<std::int64_t>((*total)[0]));
    return {};
}

Result<> ProcessProbe::read_io(ProcessReading& reading) {
    const auto io = read("io");
    if (!io) return std::unexpected(io.error());
    const auto read_bytes = labelled_number(*io, "rchar:");
    const auto written_bytes = labelled_number(*io, "wchar:");
    const auto storage_read = labelled_number(*io, "read_bytes:");
    const auto storage_written = labelled_number(*io, "write_bytes:");
    if (!read_bytes || !written_bytes || !storage_read || !storage_written)
        return std::unexpected(corrupt("io"));
    reading.io = {*read_bytes, *written_bytes, *storage_read, *storage_written};
    return {};
}

Result<> ProcessProbe::read_descriptors(ProcessReading& reading) {
    if (ended_) {
        reading.descriptors = 0;
        return {};
    }
    struct stat info {};
    if (::fstatat(directory_.get(), "fd", &info, 0) != 0)
        return std::unexpected(error("fd", errno));
    // Linux 6.2 and later say the number as the directory's size, those before it zero.
    if (in_procfs_ && info.st_size > 0) {
        reading.descriptors = static_cast<std::uint64_t>(info.st_size);
        return {};
    }
    const int fd = ::openat(directory_.get(), "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return std::unexpected(error("fd", errno));
    const auto close = [](DIR* directory) { ::closedir(directory); };
    const std::unique_ptr<DIR, decltype(close)> directory(::fdopendir(fd), close);
    std::uint64_t count = 0;
    while (const dirent* entry = ::readdir(directory.get()))
        count += leading_number(entry->d_name) ? 1 : 0;
    reading.descriptors = count;
    return {};
}

std::string ProcessProbe::command() const {
    auto name = read("comm").value_or(std::string());
    if (name.ends_with('\n')) name.pop_back();
    return name;
}

Result<ProcessReading> read_process(pid_t pid, Depth depth) {
    auto probe = ProcessProbe::open(pid);
    if (!probe) return std::unexpected(probe.error());
    ProcessReading reading;
    if (auto read = probe->read_counters(reading); !read) return std::unexpected(read.error());
    if (auto read = probe->read_memory(reading); !read) return std::unexpected(read.error());
    if (auto read = probe->read_switches(reading); !read) return std::unexpected(read.error());
    if (depth == Depth::full) {
        static_cast<void>(probe->read_delay(reading));
        static_cast<void>(probe->read_io(reading));
        static_cast<void>(probe->read_descriptors(reading));
    }
    return reading;
}

}  // namespace crucible::lab
