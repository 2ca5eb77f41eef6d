#include "lab/record/hardware_counters.h"

#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "lab/record/proc_text.h"

namespace crucible::lab {
namespace {

/// Each takes a descriptor for each counter, and the kernel time to read.
constexpr std::size_t kThreadsMax = 128;

/// errno on failure.
std::expected<base::UniqueFd, int> open_perf(pid_t thread, PerfEvent event, bool user_only) {
    perf_event_attr attributes{};
    attributes.size = sizeof attributes;
    attributes.type = event.type;
    attributes.config = event.config;
    attributes.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    attributes.exclude_kernel = user_only ? 1 : 0;
    attributes.exclude_hv = 1;
    // Threads only: a process that it starts is another, and counted where that one is watched.
    attributes.inherit = 1;
    attributes.inherit_thread = 1;
    const auto fd = ::syscall(SYS_perf_event_open, &attributes, thread, /*cpu=*/-1,
                              /*group=*/-1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0) return std::unexpected(errno);
    return base::UniqueFd(static_cast<int>(fd));
}

std::optional<int> paranoid_level() {
    const auto text = base::read_file("/proc/sys/kernel/perf_event_paranoid");
    if (!text) return std::nullopt;
    return std::atoi(text->c_str());
}

std::vector<pid_t> threads_of_process(pid_t pid) {
    std::vector<pid_t> threads;
    std::error_code status;
    for (const auto& entry :
         std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid), status)) {
        if (const auto thread = leading_number(entry.path().filename().string()))
            threads.push_back(static_cast<pid_t>(*thread));
    }
    return threads;
}

}  // namespace

Error perf_refusal(int error, std::optional<int> paranoid) {
    switch (error) {
        case ENOENT:
        case ENODEV:
        case EOPNOTSUPP:
            return {Errc::unsupported, "this machine has no such hardware counter"};
        case ENOSYS:
            return {Errc::unsupported, "this kernel has no perf_event_open"};
        case ESRCH:
            return {Errc::not_found, "the process is gone"};
        case EACCES:
        case EPERM:
            return {Errc::permission_denied,
                    paranoid ? fmt::format("refused: perf_event_paranoid is {}", *paranoid)
                             : "perf_event_open is refused"};
        default:
            return base::errno_error("perf_event_open", error);
    }
}

Result<PerfCounter> PerfCounter::open(pid_t pid, PerfEvent event) {
    const auto threads = threads_of_process(pid);
    if (threads.empty()) return std::unexpected(perf_refusal(ESRCH, {}));
    if (threads.size() > kThreadsMax)
        return std::unexpected(
            Error{Errc::unsupported,
                  fmt::format("{} threads: not counted beyond {}", threads.size(), kThreadsMax)});
    PerfCounter counter;
    int failure = ESRCH;
    for (const pid_t thread : threads) {
        auto fd = open_perf(thread, event, counter.user_only_);
        if (!fd && (fd.error() == EACCES || fd.error() == EPERM) && counter.threads_.empty() &&
            !counter.user_only_) {
            counter.user_only_ = true;
            fd = open_perf(thread, event, true);
        }
        if (fd) {
            counter.threads_.push_back(*std::move(fd));
        } else if (failure = fd.error(); failure != ESRCH) {
            return std::unexpected(perf_refusal(failure, paranoid_level()));
        }
    }
    if (counter.threads_.empty()) return std::unexpected(perf_refusal(failure, {}));
    return counter;
}

Result<double> PerfCounter::read() const {
    double sum = 0;
    bool counted = false;
    for (const auto& thread : threads_) {
        struct {
            std::uint64_t count, enabled_ns, running_ns;
        } value{};
        if (::read(thread.get(), &value, sizeof value) != sizeof value)
            return std::unexpected(base::errno_error("a perf counter", errno));
        if (value.running_ns > 0) {
            sum += static_cast<double>(value.count) *
                   (static_cast<double>(value.enabled_ns) / static_cast<double>(value.running_ns));
        }
        // A thread that did not run since was not kept waiting for a counter, either.
        counted |= value.running_ns > 0 || value.enabled_ns == 0;
    }
    if (!counted) return std::unexpected(Error{Errc::unsupported, "the counters are all in use"});
    return sum;
}

}  // namespace crucible::lab
