#include "lab/record/thread_watch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

#include "lab/record/proc_text.h"
#include "lab/record/thread_activity.h"

namespace crucible::lab {
namespace {

/// Start of a file that one read gives whole; errno on failure.
template <std::size_t size>
std::expected<std::string_view, int> read_again(const base::UniqueFd& file,
                                                std::array<char, size>& room) {
    const ssize_t count = ::pread(file.get(), room.data(), room.size(), 0);
    if (count <= 0) return std::unexpected(count < 0 ? errno : ESRCH);
    return std::string_view(room.data(), static_cast<std::size_t>(count));
}

base::UniqueFd open_of(int process, pid_t thread, const char* file) {
    return base::UniqueFd(
        ::openat(process, fmt::format("task/{}/{}", thread, file).c_str(), O_RDONLY | O_CLOEXEC));
}

std::string descriptor_of(int process, std::uint64_t descriptor) {
    std::array<char, 256> room;
    const ssize_t count =
        ::readlinkat(process, fmt::format("fd/{}", descriptor).c_str(), room.data(), room.size());
    return count <= 0 ? std::string() : std::string(room.data(), static_cast<std::size_t>(count));
}

}  // namespace

Result<ThreadWatch> ThreadWatch::open(int process, pid_t thread) {
    auto schedstat = open_of(process, thread, "schedstat");
    if (!schedstat) {
        return std::unexpected(base::errno_error(fmt::format("thread {}", thread), errno));
    }
    auto syscall = open_of(process, thread, "syscall");
    if (!syscall && errno != EPERM && errno != EACCES) {
        return std::unexpected(base::errno_error(fmt::format("thread {}", thread), errno));
    }
    ThreadWatch watch(std::move(schedstat), std::move(syscall), thread);
    if (!watch.count()) {
        return std::unexpected(Error{Errc::not_found, fmt::format("thread {} has ended", thread)});
    }
    watch.first_ = watch.last_;
    return watch;
}

std::optional<ThreadWatch::Counters> ThreadWatch::read_counters() const {
    // "<ns on a core> <ns in a run queue> <times it was given a core>"
    std::array<char, 128> room;
    const auto line = read_again(schedstat_, room);
    if (!line) return std::nullopt;
    Counters counters;
    const char* at = line->data();
    const char* const end = at + line->size();
    const auto next = [&](auto& number) {
        const auto parsed = std::from_chars(at, end, number);
        at = parsed.ptr < end ? parsed.ptr + 1 : end;
        return parsed.ec == std::errc();
    };
    if (!next(counters.cpu_ns) || !next(counters.delay_ns)) return std::nullopt;
    return counters;
}

std::optional<Activity> ThreadWatch::read_state(int process) {
    if (!stat_) stat_ = open_of(process, thread_, "stat");
    std::array<char, 512> room;
    const auto line = read_again(stat_, room);
    if (!line) return std::nullopt;
    const auto fields = stat_fields(*line);
    if (fields.empty()) return std::nullopt;
    return activity_of_state(fields.front().front());
}

std::optional<Activity> ThreadWatch::read_activity(int process) {
    if (blind_ || !syscall_) {
        blind_ = true;
        return read_state(process);
    }
    std::array<char, 256> room;
    const auto line = read_again(syscall_, room);
    if (!line && (line.error() == EPERM || line.error() == EACCES)) {
        blind_ = true;
        return read_state(process);
    }
    if (!line) return std::nullopt;
    if (*line == call_) return activity_;
    call_ = *line;
    const auto call = parse_blocked_call(*line);
    if (!call) return Activity::unknown;
    return activity_of_call(
        *call, depends_on_descriptor(*call) ? descriptor_of(process, call->first) : std::string());
}

bool ThreadWatch::count() {
    const auto now = read_counters();
    if (now) last_ = *now;
    return now.has_value();
}

std::optional<Activity> ThreadWatch::sample(int process) {
    const auto activity = read_activity(process);
    if (!activity) return std::nullopt;
    activity_ = *activity;
    ++samples_;
    ++seen_[static_cast<std::size_t>(activity_)];
    return activity_;
}

}  // namespace crucible::lab
