#include "support/crash_service.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "crucible/daemon_service.h"
#include "runtime/event/uuid.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;

constexpr Duration kServiceReconnectFor = 60s;
constexpr Duration kServiceLook = 10ms;

/// What an external service has to do for an effect that happens once: it writes the ids of what it
/// has handled with its work, durably, before it settles, and knows them again after its death.
class Ledger final : public Service {
public:
    /// Reads what is there; a line that a crash left unfinished is cut off.
    explicit Ledger(const std::filesystem::path& file)
        : file_(::open(file.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) {
        std::ifstream lines(file);
        for (std::string line; std::getline(lines, line) && !lines.eof();) {
            known_.insert(line.substr(0, line.find(' ')));
            size_ += static_cast<off_t>(line.size() + 1);
        }
        if (file_ && ::ftruncate(file_.get(), size_) != 0) file_.reset();
    }
    bool opened() const { return static_cast<bool>(file_); }

    std::string_view name() const noexcept override { return kCrashServiceName; }
    Category category() const noexcept override { return Category::custom; }

    void handle(std::span<const Event* const> events, std::span<HandleResult> results) override {
        lines_.clear();
        added_.clear();
        for (const Event* event : events) {
            std::string id = runtime::to_string(event->id);
            if (!known_.insert(id).second) continue;
            const std::string_view payload = event->payload;
            lines_ +=
                fmt::format("{} {} {}\n", id, event->source, payload.substr(0, payload.find(' ')));
            added_.push_back(std::move(id));
        }
        if (write_durably()) {
            size_ += static_cast<off_t>(lines_.size());
            return;
        }
        // None of them counts, those known before neither: as if it had not been tried.
        for (auto& result : results) result = {Outcome::failed, {}, std::strerror(errno)};
        [[maybe_unused]] const int cut = ::ftruncate(file_.get(), size_);
        for (const auto& id : added_) known_.erase(id);
    }

private:
    bool write_durably() const {
        if (lines_.empty()) return true;
        const auto count = ::write(file_.get(), lines_.data(), lines_.size());
        return count == static_cast<ssize_t>(lines_.size()) && ::fdatasync(file_.get()) == 0;
    }

    base::UniqueFd file_;
    off_t size_ = 0;  ///< of whole lines
    std::unordered_set<std::string> known_;
    std::string lines_;
    std::vector<std::string> added_;
};

std::atomic<bool> service_told_to_end = false;
std::atomic<DaemonService*> running = nullptr;

}  // namespace

int crash_service(std::span<char* const> words) {
    if (words.size() != 2) return 2;
    ::signal(SIGTERM, [](int) {
        service_told_to_end.store(true);
        if (DaemonService* service = running.load()) service->request_stop();
    });
    Ledger ledger(words[1]);
    if (!ledger.opened()) return 1;
    DaemonServiceOptions options;
    options.daemon.socket = words[0];
    options.daemon.reconnect_for = kServiceReconnectFor;
    auto service = DaemonService::start(options, ledger);
    // The daemon may be down at this moment, or not have seen yet that the one before has died.
    const TimePoint limit = base::monotonic_now() + kServiceReconnectFor;
    while (!service && !service_told_to_end && base::monotonic_now() < limit) {
        std::this_thread::sleep_for(kServiceLook);
        service = DaemonService::start(options, ledger);
    }
    if (!service) return 1;
    running.store(service->get());
    if (service_told_to_end) (*service)->request_stop();
    const char ready = '.';
    if (::write(STDOUT_FILENO, &ready, 1) != 1) return 1;
    const auto ended = (*service)->wait();
    running.store(nullptr);
    return ended ? 0 : 1;
}

Result<base::Process> start_crash_service(const std::filesystem::path& socket,
                                          const std::filesystem::path& file) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return std::unexpected(base::errno_error("pipe", errno));
    const base::UniqueFd ready(ends[0]);
    base::UniqueFd tell_ready(ends[1]);
    auto process = base::Process::start(
        {.arguments = {base::self_executable().string(), std::string(kCrashService),
                       socket.string(), file.string()},
         .inherit = {{tell_ready.get(), STDOUT_FILENO}},
         .standard_output = {},
         .standard_error = {},
         .cpus = {}});
    if (!process) return process;
    tell_ready.reset();
    char byte = 0;
    // It gives up by itself when the daemon does not take it.
    if (::read(ready.get(), &byte, 1) != 1)
        return std::unexpected(Error{Errc::failed, "the external service was not registered"});
    return process;
}

}  // namespace crucible::bench
