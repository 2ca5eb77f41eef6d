#pragma once

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace crucible::alloc {

/// A lock for what is rare and short. Signals wait meanwhile: a handler that allocates would wait
/// for the thread that it interrupts. Not for pthread's mutexes: a forked process sets it free.
class SlowLock {
public:
    void acquire() noexcept {
        sigset_t all;
        sigset_t before;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        for (int tries = 0; __atomic_exchange_n(&held_, 1, __ATOMIC_ACQUIRE); ++tries) {
            // Yielding lets no thread run that has a lower priority than this one, as the holder
            // may.
            constexpr timespec kBrief{0, 50'000};
            if (tries < 100) {
                ::sched_yield();
            } else {
                ::syscall(SYS_futex, &held_, FUTEX_WAIT_PRIVATE, 1, &kBrief, nullptr, 0);
            }
        }
        before_ = before;
    }
    void release() noexcept {
        const sigset_t before = before_;
        __atomic_store_n(&held_, 0, __ATOMIC_RELEASE);
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    /// While it is held, system calls may fail: errno is then what it was, since it is the
    /// program's, which has only called malloc.
    class Hold {
    public:
        explicit Hold(SlowLock& lock) noexcept : lock_(lock), errno_(errno) { lock_.acquire(); }
        ~Hold() {
            lock_.release();
            errno = errno_;
        }
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;

    private:
        SlowLock& lock_;
        int errno_;
    };

private:
    int held_ = 0;
    sigset_t before_{};  ///< of the thread that holds it
};

}  // namespace crucible::alloc
