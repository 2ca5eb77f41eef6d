#include "lab/target/daemon_system.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "lab/target/daemon_options.h"
#include "lab/target/endpoint.h"
#include "lab/target/log_tail.h"
#include "runtime/daemon/connect.h"

namespace crucible::lab {
namespace {

using namespace std::chrono_literals;

constexpr Duration kStartLimit = 20s;
constexpr Duration kStopLimit = 40s;  // the daemon gives itself 30 s to finish what it accepted
constexpr Duration kDaemonConnectLimit = 5s;
constexpr int kReadyFd = 100;  // out of the way of the descriptors that starting a process uses

/// Where clients find it, and how: a URL that daemon_options() reads.
std::string endpoint_of(const std::string& socket, bool shares_memory) {
    return fmt::format("daemon:{}{}", socket, shares_memory ? "?shared_memory=yes" : "");
}

class PrivateDaemon final : public System {
public:
    PrivateDaemon(base::TempDir directory, base::Process process, bool shares_memory)
        : endpoint_(endpoint_of(socket(directory).string(), shares_memory)),
          directory_(std::move(directory)),
          process_(std::move(process)) {}

    static std::filesystem::path socket(const base::TempDir& directory) {
        return directory.path() / "crucibled.sock";
    }
    static std::filesystem::path log(const base::TempDir& directory) {
        return directory.path() / "crucibled.log";
    }
    static std::filesystem::path data(const base::TempDir& directory) {
        return directory.path() / "data";
    }

    std::string endpoint() const override { return endpoint_; }
    std::vector<pid_t> processes() const override { return {process_.pid()}; }
    std::optional<std::string> data_directory() const override {
        if (!directory_) return std::nullopt;
        return data(*directory_).string();
    }

    std::optional<std::string> failure() override {
        if (stopped_ || !process_.poll()) return std::nullopt;
        return describe_end();
    }

    Result<> stop() override {
        if (stopped_) return {};
        stopped_ = true;
        if (!process_.poll()) process_.signal(SIGTERM);
        const auto status = process_.wait(kStopLimit);
        Result<> ended;
        if (!status) {
            process_.signal(SIGKILL);
            ended = std::unexpected(Error{
                Errc::failed, fmt::format("crucibled (pid {}) did not stop within {} s of SIGTERM",
                                          process_.pid(), kStopLimit / 1s)});
        } else if (status->signal != 0 || status->exit_code != 0) {
            ended = std::unexpected(Error{Errc::failed, describe_end()});
        }
        directory_.reset();
        return ended;
    }

private:
    std::string describe_end() {
        return with_log(
            fmt::format("crucibled (pid {}) {}", process_.pid(), process_.poll()->describe()),
            log(*directory_));
    }

    const std::string endpoint_;
    std::optional<base::TempDir> directory_;
    base::Process process_;  // ends before its directory goes
    bool stopped_ = false;
};

class RunningDaemon final : public System {
public:
    RunningDaemon(const TargetUrl& url, pid_t pid, base::UniqueFd pidfd)
        : socket_(url.path),
          shares_memory_(lab::shares_memory(url)),
          pid_(pid),
          pidfd_(std::move(pidfd)) {}

    std::string endpoint() const override { return endpoint_of(socket_, shares_memory_); }
    std::vector<pid_t> processes() const override { return {pid_}; }
    std::optional<std::string> data_directory() const override { return std::nullopt; }

    std::optional<std::string> failure() override {
        pollfd ended{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
        if (::poll(&ended, 1, 0) != 1) return std::nullopt;
        return fmt::format("the daemon at {} (pid {}) has ended", socket_, pid_);
    }

    Result<> stop() override { return {}; }

private:
    std::string socket_;
    bool shares_memory_;
    pid_t pid_;
    base::UniqueFd pidfd_;
};

std::filesystem::path daemon_program() {
    if (const char* given = std::getenv("CRUCIBLED"); given != nullptr && *given != '\0')
        return given;
    const auto beside = base::self_executable().parent_path() / "crucibled";
    if (std::filesystem::exists(beside)) return beside;
    // A program of the user's own that measures (crucible/measure.h) stands elsewhere.
    const char* path = std::getenv("PATH");
    for (std::string_view rest = path == nullptr ? "" : path; !rest.empty();) {
        const auto folder = rest.substr(0, rest.find(':'));
        rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
        const auto program = std::filesystem::path(folder) / "crucibled";
        if (std::filesystem::exists(program)) return program;
    }
    return beside;
}

/// Waits until the daemon has said that it listens, or the pipe's end says that it will not.
bool wait_until_ready(int ready) {
    const TimePoint deadline = base::monotonic_now() + kStartLimit;
    for (;;) {
        const auto left = (deadline - base::monotonic_now()) / 1ms;
        if (left <= 0) return false;
        pollfd readable{.fd = ready, .events = POLLIN, .revents = 0};
        if (::poll(&readable, 1, static_cast<int>(left)) < 0 && errno != EINTR) return false;
        if (readable.revents == 0) continue;
        char byte = 0;
        return ::read(ready, &byte, 1) == 1;
    }
}

base::Process::Options daemon_command(const TargetUrl& url, const SystemOptions& options,
                                      const base::TempDir& directory, int ready) {
    base::Process::Options command;
    command.cpus = options.cpus;
    command.arguments = {daemon_program().string(),
                         "--socket",
                         PrivateDaemon::socket(directory).string(),
                         "--data",
                         PrivateDaemon::data(directory).string(),
                         "--services",
                         std::to_string(count_option(url, "services", options.services)),
                         "--ready-fd",
                         std::to_string(kReadyFd),
                         "--log-level",
                         "warning"};  // its last words are quoted when it fails
    for (const std::string_view name : {"workers", "work", "durability", "queue", "batch"}) {
        if (const std::string* value = url.option(name)) {
            command.arguments.push_back(fmt::format("--{}", name));
            command.arguments.push_back(*value);
        }
    }
    command.inherit = {{ready, kReadyFd}};
    command.environment = options.environment;
    command.standard_error = PrivateDaemon::log(directory);
    return command;
}

}  // namespace

Result<std::unique_ptr<System>> start_private_daemon(const TargetUrl& url,
                                                     const SystemOptions& options) {
    auto directory = base::TempDir::make("daemon");
    if (!directory) return std::unexpected(directory.error());
    int ready[2];
    if (::pipe2(ready, O_CLOEXEC) != 0) return std::unexpected(base::errno_error("pipe", errno));
    const base::UniqueFd ready_read(ready[0]);
    base::UniqueFd ready_write(ready[1]);
    auto process =
        base::Process::start(daemon_command(url, options, *directory, ready_write.get()));
    ready_write.reset();
    if (!process) return std::unexpected(process.error());
    if (!wait_until_ready(ready_read.get())) {
        const auto log = PrivateDaemon::log(*directory);
        if (const auto status = process->wait(1s)) {
            return std::unexpected(Error{
                Errc::failed,
                with_log(fmt::format("crucibled did not start: it {}", status->describe()), log)});
        }
        return std::unexpected(Error{
            Errc::timeout,
            with_log(fmt::format("crucibled was not ready after {} s", kStartLimit / 1s), log)});
    }
    return std::make_unique<PrivateDaemon>(*std::move(directory), *std::move(process),
                                           shares_memory(url));
}

Result<pid_t> reach_daemon(const TargetUrl& url) {
    auto options = daemon_options(url);
    if (!options) return std::unexpected(options.error());
    options->connect_limit = kDaemonConnectLimit;
    const auto connection = runtime::connect_to_daemon(*options);
    if (!connection) return std::unexpected(connection.error());
    return connection->daemon_pid;
}

Result<std::unique_ptr<System>> use_running_daemon(const TargetUrl& url) {
    const auto reached = reach_daemon(url);
    if (!reached) return std::unexpected(reached.error());
    const pid_t pid = *reached;
    base::UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!pidfd) {
        return std::unexpected(
            base::errno_error(fmt::format("the daemon at {} (pid {})", url.path, pid), errno));
    }
    return std::make_unique<RunningDaemon>(url, pid, std::move(pidfd));
}

}  // namespace crucible::lab
