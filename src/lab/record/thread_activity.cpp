#include "lab/record/thread_activity.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace crucible::lab {
namespace {

/// Numbers of calls of one kind; those that an architecture does not have are left out.
constexpr std::array kDescriptorCalls{SYS_read,   SYS_write,    SYS_readv,
                                      SYS_writev, SYS_sendfile, SYS_splice};
constexpr std::array kStorageCalls{
    SYS_fsync,    SYS_fdatasync,  SYS_syncfs,    SYS_sync,      SYS_sync_file_range, SYS_pread64,
    SYS_pwrite64, SYS_preadv,     SYS_pwritev,   SYS_preadv2,   SYS_pwritev2,        SYS_openat,
    SYS_unlinkat, SYS_renameat2,  SYS_ftruncate, SYS_truncate,  SYS_fallocate,       SYS_mkdirat,
    SYS_linkat,   SYS_getdents64, SYS_close,     SYS_readahead, SYS_copy_file_range, SYS_newfstatat,
    SYS_fstat,    SYS_statx,      SYS_faccessat,
#ifdef SYS_open
    SYS_open,     SYS_unlink,     SYS_rename,    SYS_mkdir,     SYS_rmdir,           SYS_stat,
    SYS_lstat,    SYS_access,
#endif
};
/// Blocked in them: for the lock of the address space, or for memory to be reclaimed.
constexpr std::array kMemoryCalls{SYS_mmap,  SYS_munmap, SYS_mprotect, SYS_madvise,
                                  SYS_msync, SYS_brk,    SYS_mremap,   SYS_mlock};
constexpr std::array kPeerCalls{SYS_recvfrom, SYS_recvmsg,  SYS_recvmmsg, SYS_sendto,
                                SYS_sendmsg,  SYS_sendmmsg, SYS_connect};
constexpr std::array kSleepCalls{SYS_nanosleep, SYS_clock_nanosleep};
constexpr std::array kIdleCalls{
    SYS_epoll_pwait, SYS_epoll_pwait2,    SYS_pselect6,       SYS_accept,
    SYS_accept4,     SYS_rt_sigtimedwait, SYS_rt_sigsuspend,  SYS_wait4,
    SYS_waitid,      SYS_io_getevents,    SYS_io_uring_enter, SYS_restart_syscall,
#ifdef SYS_epoll_wait
    SYS_epoll_wait,  SYS_select,          SYS_pause,
#endif
};

template <std::size_t size>
bool is_one_of(std::int64_t number, const std::array<int, size>& calls) noexcept {
    return std::ranges::find(calls, number) != calls.end();
}

Activity activity_of_futex(const BlockedCall& call) noexcept {
    constexpr std::uint64_t locked_with_waiters = 2;
    switch (static_cast<int>(call.second) & FUTEX_CMD_MASK) {
        case FUTEX_WAIT:
            return call.third == locked_with_waiters ? Activity::lock : Activity::idle;
        case FUTEX_LOCK_PI:
        case FUTEX_LOCK_PI2:
            return Activity::lock;
        default:
            return Activity::idle;
    }
}

bool is_poll(std::int64_t number) noexcept {
#ifdef SYS_poll
    if (number == SYS_poll) return true;
#endif
    return number == SYS_ppoll;
}

Activity activity_of_descriptor(std::string_view descriptor) noexcept {
    if (descriptor.starts_with("socket:") || descriptor.starts_with("pipe:")) return Activity::peer;
    if (descriptor.starts_with("/dev/")) return Activity::idle;
    if (descriptor.starts_with("/")) return Activity::storage;
    return Activity::idle;  // eventfd, timerfd, inotify, or no longer open
}

/// "0x7f" with what follows it taken off `text`.
std::optional<std::uint64_t> next_argument(std::string_view& text) {
    if (!text.starts_with(" 0x")) return std::nullopt;
    text.remove_prefix(3);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value;
}

}  // namespace

std::optional<BlockedCall> parse_blocked_call(std::string_view line) {
    BlockedCall call;
    if (line.starts_with("running")) {
        call.running = true;
        return call;
    }
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), call.number);
    if (error != std::errc()) return std::nullopt;
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    if (call.number < 0) {
        call.outside = true;
        return call;
    }
    for (std::uint64_t* argument : {&call.first, &call.second, &call.third}) {
        const auto value = next_argument(line);
        if (!value) return std::nullopt;
        *argument = *value;
    }
    return call;
}

bool depends_on_descriptor(const BlockedCall& call) noexcept {
    return !call.running && !call.outside && is_one_of(call.number, kDescriptorCalls);
}

Activity activity_of_call(const BlockedCall& call, std::string_view descriptor) {
    if (call.running) return Activity::running;
    if (call.outside) return Activity::page_fault;
    if (call.number == SYS_futex) return activity_of_futex(call);
    if (is_poll(call.number)) return call.second == 1 ? Activity::peer : Activity::idle;
    if (call.number == SYS_flock) return Activity::file_lock;
    if (call.number == SYS_fcntl) {
        const bool waits = call.second == F_SETLKW || call.second == F_OFD_SETLKW;
        return waits ? Activity::file_lock : Activity::storage;
    }
    if (is_one_of(call.number, kDescriptorCalls)) return activity_of_descriptor(descriptor);
    if (is_one_of(call.number, kStorageCalls)) return Activity::storage;
    if (is_one_of(call.number, kMemoryCalls)) return Activity::page_fault;
    if (is_one_of(call.number, kPeerCalls)) return Activity::peer;
    if (is_one_of(call.number, kSleepCalls)) return Activity::asleep;
    if (is_one_of(call.number, kIdleCalls)) return Activity::idle;
    return Activity::unknown;
}

Activity activity_of_state(char state) noexcept {
    if (state == 'R') return Activity::running;
    if (state == 'D') return Activity::storage;
    return Activity::unknown;
}

std::string_view to_string(Activity activity) noexcept {
    switch (activity) {
        case Activity::running:
            return "running";
        case Activity::lock:
            return "lock";
        case Activity::file_lock:
            return "file_lock";
        case Activity::storage:
            return "storage";
        case Activity::page_fault:
            return "page_fault";
        case Activity::peer:
            return "peer";
        case Activity::asleep:
            return "asleep";
        case Activity::idle:
            return "idle";
        case Activity::unknown:
            return "unknown";
    }
    std::unreachable();
}

}  // namespace crucible::lab
