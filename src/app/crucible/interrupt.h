#pragma once

#include <stop_token>

namespace crucible::app {

/// While one lives, SIGINT and SIGTERM ask its token to stop instead of ending the process; a
/// second signal ends it at once. One at a time.
class InterruptGuard {
public:
    InterruptGuard();
    ~InterruptGuard();
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;

    std::stop_token token() const noexcept { return source_.get_token(); }

private:
    void watch();
    std::stop_source source_;
    int read_fd_ = -1;
    int write_fd_ = -1;
    struct Watcher;
    Watcher* watcher_;
};

}  // namespace crucible::app
