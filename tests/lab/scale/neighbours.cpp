#include "neighbours.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>

namespace crucible::lab::scale {
namespace {

[[noreturn]] void compute_for_ever() {
    // Should nobody end it, the kernel does.
    const rlimit limit{.rlim_cur = 60, .rlim_max = 60};
    ::setrlimit(RLIMIT_CPU, &limit);
    for (volatile std::uint64_t count = 0;;) count = count + 1;
}

}  // namespace

Neighbours::Neighbours(int count) {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) return;
    const pid_t parent = ::fork();
    if (parent == 0) {
        ::close(ends[0]);
        for (int i = 0; i < count; ++i) {
            const pid_t pid = ::fork();
            if (pid == 0) {
                ::close(ends[1]);
                // Programs of different sessions each have a share of the processors; all of one
                // have that share together (sched(7), autogroups).
                ::setsid();
                compute_for_ever();
            }
            [[maybe_unused]] const auto told = ::write(ends[1], &pid, sizeof pid);
        }
        // Whose parent has ended belongs to nobody here.
        ::_exit(0);
    }
    ::close(ends[1]);
    for (pid_t pid = 0; ::read(ends[0], &pid, sizeof pid) == sizeof pid;) pids_.push_back(pid);
    ::close(ends[0]);
    ::waitpid(parent, nullptr, 0);
}

Neighbours::~Neighbours() {
    for (const pid_t pid : pids_) ::kill(pid, SIGKILL);
}

}  // namespace crucible::lab::scale
