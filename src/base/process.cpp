#include "base/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/clock.h"

namespace crucible::base {
namespace {

/// What the child works on between fork and exec; made before, as it may not allocate.
struct ChildPlan {
    std::vector<char*> arguments;              ///< null at the end
    std::vector<char*> environment;            ///< the same
    std::vector<std::pair<int, int>> inherit;  ///< {descriptor, its number in the child}
    int output = -1;
    int error_output = -1;
    int report = -1;  ///< takes errno when the program cannot be started
    pid_t parent = -1;
    const CpuSet* cpus = nullptr;  ///< where it is not empty
};

/// The first number above all that are given to the child and the standard ones.
int first_free_number(const std::vector<std::pair<int, int>>& inherit) {
    int number = STDERR_FILENO + 1;
    for (const auto& [ours, theirs] : inherit) number = std::max(number, theirs + 1);
    return number;
}

/// Runs in the child between fork and exec: only async-signal-safe calls.
[[noreturn]] void become(ChildPlan& plan, int free_number) noexcept {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != plan.parent) ::_exit(127);  // it had died before the line above
    if (!plan.cpus->empty()) ::sched_setaffinity(0, sizeof(cpu_set_t), &plan.cpus->mask());
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGINT, SIG_DFL);
    ::signal(SIGTERM, SIG_DFL);
    ::signal(SIGPIPE, SIG_DFL);
    // Its own group: Ctrl-C in the terminal reaches us alone, and we end our children in order.
    ::setpgid(0, 0);
    // First out of the way of the numbers that are about to be given out: whichever number a
    // descriptor has here, giving one its place must not close another.
    const auto move_away = [free_number](int& fd) {
        if (fd >= 0) fd = ::fcntl(fd, F_DUPFD_CLOEXEC, free_number);
    };
    move_away(plan.report);
    move_away(plan.output);
    move_away(plan.error_output);
    for (auto& [ours, theirs] : plan.inherit) move_away(ours);
    int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    move_away(null);

    const auto place = [](int fd, int number) { return fd >= 0 && ::dup2(fd, number) >= 0; };
    bool placed = place(null, STDIN_FILENO) &&
                  place(plan.output >= 0 ? plan.output : null, STDOUT_FILENO) &&
                  (plan.error_output < 0 || place(plan.error_output, STDERR_FILENO));
    for (const auto& [ours, theirs] : plan.inherit) placed = placed && place(ours, theirs);
    if (placed) ::execve(plan.arguments[0], plan.arguments.data(), plan.environment.data());
    const int failure = errno;
    [[maybe_unused]] const auto written = ::write(plan.report, &failure, sizeof failure);
    ::_exit(127);
}

std::string_view name_of(std::string_view variable) {
    return variable.substr(0, variable.find('='));
}

/// This process's, with `own` in the place of what has the same names; null at the end.
std::vector<char*> environment_with(const std::vector<std::string>& own) {
    std::vector<char*> all;
    for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
        const bool replaced = std::ranges::any_of(
            own, [variable](const std::string& one) { return name_of(one) == name_of(*variable); });
        if (!replaced) all.push_back(*variable);
    }
    for (const auto& variable : own) all.push_back(const_cast<char*>(variable.c_str()));
    all.push_back(nullptr);
    return all;
}

Result<UniqueFd> open_output(const std::filesystem::path& path) {
    if (path.empty()) return UniqueFd();
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!fd) return std::unexpected(errno_error(path.string(), errno));
    return fd;
}

}  // namespace

std::string ExitStatus::describe() const {
    if (signal != 0) return fmt::format("was killed by signal {} ({})", signal, strsignal(signal));
    return fmt::format("exited with code {}", exit_code);
}

Result<Process> Process::start(const Options& options) {
    auto output = open_output(options.standard_output);
    if (!output) return std::unexpected(output.error());
    auto error_output = open_output(options.standard_error);
    if (!error_output) return std::unexpected(error_output.error());
    int report[2];
    if (::pipe2(report, O_CLOEXEC) != 0) return std::unexpected(errno_error("pipe", errno));
    const UniqueFd report_read(report[0]);
    UniqueFd report_write(report[1]);

    ChildPlan plan{.inherit = options.inherit,
                   .output = output->get(),
                   .error_output = error_output->get(),
                   .report = report[1],
                   .parent = ::getpid(),
                   .cpus = &options.cpus};
    for (const auto& argument : options.arguments) {
        plan.arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    plan.arguments.push_back(nullptr);
    plan.environment = environment_with(options.environment);
    const int free_number = first_free_number(options.inherit);

    const pid_t pid = ::fork();
    if (pid < 0) return std::unexpected(errno_error("fork", errno));
    if (pid == 0) become(plan, free_number);
    report_write.reset();
    int failure = 0;
    ssize_t count = 0;
    do {
        count = ::read(report_read.get(), &failure, sizeof failure);
    } while (count < 0 && errno == EINTR);
    if (count == static_cast<ssize_t>(sizeof failure)) {
        ::waitpid(pid, nullptr, 0);
        return std::unexpected(errno_error("cannot start " + options.arguments.front(), failure));
    }
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    return Process(pid, pidfd);
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      status_(other.status_) {}

Process& Process::operator=(Process&& other) noexcept {
    if (this != &other) {
        kill_and_reap();
        pid_ = std::exchange(other.pid_, -1);
        pidfd_ = std::move(other.pidfd_);
        status_ = other.status_;
    }
    return *this;
}

Process::~Process() {
    kill_and_reap();
}

void Process::kill_and_reap() noexcept {
    if (pid_ <= 0 || status_) return;
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
}

void Process::signal(int number) noexcept {
    if (pid_ > 0 && !status_) ::kill(pid_, number);
}

std::optional<ExitStatus> Process::poll() noexcept {
    if (status_ || pid_ <= 0) return status_;
    int raw = 0;
    if (::waitpid(pid_, &raw, WNOHANG) == pid_) {
        status_ =
            ExitStatus{WIFEXITED(raw) ? WEXITSTATUS(raw) : 0, WIFSIGNALED(raw) ? WTERMSIG(raw) : 0};
    }
    return status_;
}

std::optional<ExitStatus> Process::wait(Duration limit) noexcept {
    const auto deadline = monotonic_now() + limit;
    while (!poll()) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - monotonic_now());
        if (left.count() <= 0) break;
        pollfd waiter{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
        ::poll(&waiter, 1, static_cast<int>(left.count()) + 1);
    }
    return status_;
}

void raise_descriptor_limit() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::filesystem::path self_executable() {
    std::error_code status;
    return std::filesystem::read_symlink("/proc/self/exe", status);
}

}  // namespace crucible::base
