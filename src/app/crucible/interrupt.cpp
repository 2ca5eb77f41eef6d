#include "app/crucible/interrupt.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "base/assert.h"

namespace crucible::app {
namespace {

std::atomic<int> g_signal_fd = -1;

/// Async-signal-safe: a stop_source is not, so the signal goes through a pipe to a thread.
void on_signal(int number) {
    const int saved = errno;
    const auto byte = static_cast<char>(number);
    [[maybe_unused]] const auto written = ::write(g_signal_fd.load(), &byte, 1);
    ::signal(number, SIG_DFL);
    errno = saved;
}

}  // namespace

struct InterruptGuard::Watcher {
    struct sigaction old_interrupt {};
    struct sigaction old_terminate {};
    std::jthread thread;
};

InterruptGuard::InterruptGuard() : watcher_(new Watcher) {
    CRUCIBLE_ASSERT(g_signal_fd.load() < 0);
    int ends[2];
    CRUCIBLE_ASSERT(::pipe2(ends, O_CLOEXEC) == 0);
    read_fd_ = ends[0];
    write_fd_ = ends[1];
    g_signal_fd.store(write_fd_);
    watcher_->thread = std::jthread([this] { watch(); });
    struct sigaction action {};
    action.sa_handler = on_signal;
    ::sigaction(SIGINT, &action, &watcher_->old_interrupt);
    ::sigaction(SIGTERM, &action, &watcher_->old_terminate);
}

InterruptGuard::~InterruptGuard() {
    ::sigaction(SIGINT, &watcher_->old_interrupt, nullptr);
    ::sigaction(SIGTERM, &watcher_->old_terminate, nullptr);
    const char end = 0;
    [[maybe_unused]] const auto written = ::write(write_fd_, &end, 1);
    delete watcher_;  // joins
    g_signal_fd.store(-1);
    ::close(read_fd_);
    ::close(write_fd_);
}

void InterruptGuard::watch() {
    char byte = 0;
    for (;;) {
        const auto count = ::read(read_fd_, &byte, 1);
        if (count < 0 && errno == EINTR) continue;
        if (count == 1 && byte != 0) {
            source_.request_stop();
            continue;
        }
        return;
    }
}

}  // namespace crucible::app
