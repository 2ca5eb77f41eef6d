#include "lab/record/child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace crucible::lab {
namespace {

void read_whole(int fd, void* to, std::size_t size) {
    if (::read(fd, to, size) != static_cast<ssize_t>(size)) ::_exit(2);
}

Duration duration_of(const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

}  // namespace

void ChildSide::tell(std::int64_t value) const {
    if (::write(out_, &value, sizeof value) != sizeof value) ::_exit(2);
}

void ChildSide::wait() const {
    char word = 0;
    read_whole(in_, &word, 1);
}

void ChildSide::burn_cpu(Duration cpu) const {
    const auto used = [] {
        timespec time{};
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
        return std::chrono::seconds(time.tv_sec) + Duration(time.tv_nsec);
    };
    const auto end = used() + cpu;
    volatile std::uint64_t sink = 0;
    while (used() < end) {
        for (int i = 0; i < 1'000; ++i) sink = sink + 1;
    }
}

Duration ChildSide::cpu_used() const {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return duration_of(usage.ru_utime) + duration_of(usage.ru_stime);
}

Child::Child(const std::function<void(const ChildSide&)>& work) {
    int down[2] = {-1, -1};
    int up[2] = {-1, -1};
    if (::pipe2(down, O_CLOEXEC) != 0 || ::pipe2(up, O_CLOEXEC) != 0) {
        ADD_FAILURE() << "no pipe";
        return;
    }
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::close(down[1]);
        ::close(up[0]);
        work(ChildSide(down[0], up[1]));
        ::_exit(0);
    }
    ::close(down[0]);
    ::close(up[1]);
    to_child_ = base::UniqueFd(down[1]);
    from_child_ = base::UniqueFd(up[0]);
}

Child::~Child() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        reap();
    }
}

std::int64_t Child::hear() {
    std::int64_t value = -1;
    EXPECT_EQ(::read(from_child_.get(), &value, sizeof value), static_cast<ssize_t>(sizeof value));
    return value;
}

void Child::go() {
    EXPECT_EQ(::write(to_child_.get(), "g", 1), 1);
}

void Child::wait_for_end_without_reaping() const {
    siginfo_t info{};
    EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT), 0);
}

void Child::reap() {
    EXPECT_EQ(::waitpid(pid_, nullptr, 0), pid_);
    pid_ = -1;
}

}  // namespace crucible::lab
