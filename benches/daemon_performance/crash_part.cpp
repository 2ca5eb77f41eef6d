// What survives: a daemon, its publishers and a service in a process of its own killed again and
// again under load, and what both kinds of services have kept held against what was acknowledged.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "crucible/service.h"
#include "daemon_performance/crash_judge.h"
#include "daemon_performance/crash_publisher.h"
#include "daemon_performance/parts.h"
#include "lab/stats/robust.h"
#include "support/crash_service.h"
#include "support/crucibled_process.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPublishers = 4;
constexpr std::uint32_t kKills = 30;
constexpr std::uint32_t kSmokeKills = 3;  // one of each kind
constexpr Duration kLimit = 60s;

std::unexpected<Error> broken(std::string what) {
    return std::unexpected(Error{Errc::failed, std::move(what)});
}

enum class Victim : std::uint8_t { daemon, service, publisher };
constexpr std::uint32_t kVictims = 3;

/// One trial: starts everything, kills, and judges.
class Crashes {
public:
    static Result<std::unique_ptr<Crashes>> start() {
        auto directory = base::TempDir::make("crashes");
        if (!directory) return std::unexpected(directory.error());
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return std::unexpected(base::errno_error("pipe", errno));
        auto crashes = std::unique_ptr<Crashes>(
            new Crashes(std::move(*directory), base::UniqueFd(ends[0]), base::UniqueFd(ends[1])));
        const auto config =
            fmt::format("[services]\nexternal = \"{}=custom\"\n", kCrashServiceName);
        if (auto written = base::write_file(crashes->config(), config); !written)
            return std::unexpected(written.error());
        if (auto started = crashes->start_daemon(); !started)
            return std::unexpected(started.error());
        if (auto started = crashes->start_service(); !started)
            return std::unexpected(started.error());
        for (std::size_t i = 0; i < kPublishers; ++i)
            if (auto started = crashes->start_publisher(i); !started)
                return std::unexpected(started.error());
        return crashes;
    }

    /// Kills that one, of the publishers any, and starts it anew.
    /// - Errc::failed: nothing was acknowledged afterwards.
    Result<> kill_one(Victim victim, base::Rng& random) {
        // Something is under way when it comes, for either service.
        if (auto alive = await_end(Ends::any); !alive) return alive;
        if (auto alive = await_end(Ends::external); !alive) return alive;
        std::this_thread::sleep_for(std::chrono::milliseconds(random.below(200)));
        if (victim == Victim::publisher) {
            const std::size_t place = random.below(kPublishers);
            kill(*publishers_[place]);
            return start_publisher(place);
        }
        const TimePoint killed = base::monotonic_now();
        const bool service = victim == Victim::service;
        kill(service ? *service_ : *daemon_);
        if (auto started = service ? start_service() : start_daemon(); !started) return started;
        if (auto alive = await_end(service ? Ends::external : Ends::any); !alive) return alive;
        auto& recoveries = service ? service_recoveries_ : daemon_recoveries_;
        recoveries.push_back(std::chrono::duration<double>(*first_end_after_ - killed).count());
        return {};
    }

    /// Ends everything in order and looks at what the services have kept.
    Result<> judge() {
        // Each has begun, and so heeds the signal.
        const TimePoint begin_limit = base::monotonic_now() + kLimit;
        for (const std::uint32_t number : numbers_) {
            while (!handled_.contains(number)) {
                if (base::monotonic_now() > begin_limit)
                    return broken("a publisher's events were not acknowledged");
                read_ends(100);
            }
        }
        for (auto& publisher : publishers_) publisher->signal(SIGTERM);
        for (auto& publisher : publishers_) {
            std::optional<base::ExitStatus> status;
            const TimePoint limit = base::monotonic_now() + kLimit;
            // Read on: it may wait for room in the pipe.
            while (!(status = publisher->poll()) && base::monotonic_now() < limit) read_ends(10);
            if (!status || status->exit_code != 0 || status->signal != 0)
                return broken(fmt::format("a publisher did not end in order: it {}",
                                          status ? status->describe() : "goes on"));
        }
        while (read_ends(0)) {
        }
        service_->signal(SIGTERM);
        const auto left = service_->wait(kLimit);
        if (!left || left->exit_code != 0 || left->signal != 0)
            return broken("the external service did not leave in order");
        daemon_->signal(SIGTERM);
        const auto status = daemon_->wait(kLimit);
        if (!status || status->exit_code != 0) return broken("the daemon did not stop in order");
        if (refused_ > 0) return broken(fmt::format("{} events did not end as handled", refused_));
        if (auto judged = judge_database(directory_.path() / "data/crucible.db", handled_); !judged)
            return judged;
        return judge_ledger(ledger(), handled_);
    }

    std::vector<double> daemon_recoveries() const { return daemon_recoveries_; }
    std::vector<double> service_recoveries() const { return service_recoveries_; }
    std::uint64_t acknowledged() const { return acknowledged_; }

private:
    Crashes(base::TempDir directory, base::UniqueFd reader, base::UniqueFd writer)
        : directory_(std::move(directory)), reader_(std::move(reader)), writer_(std::move(writer)) {
        publishers_.resize(kPublishers);
    }

    std::string socket() const { return directory_.path() / "s"; }
    std::filesystem::path ledger() const { return directory_.path() / "ledger"; }
    std::filesystem::path config() const { return directory_.path() / "crucibled.toml"; }

    Result<> start_daemon() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return std::unexpected(base::errno_error("pipe", errno));
        const base::UniqueFd ready(ends[0]);
        base::UniqueFd tell_ready(ends[1]);
        constexpr int descriptor = 3;
        auto process = base::Process::start(
            {.arguments = {crucibled_program().string(), "--socket", socket(), "--data",
                           directory_.path() / "data", "--config", config(), "--log-level", "error",
                           "--ready-fd", std::to_string(descriptor)},
             .inherit = {{tell_ready.get(), descriptor}},
             .standard_output = {},
             .standard_error = directory_.path() / "log",
             .cpus = {}});
        if (!process) return std::unexpected(process.error());
        tell_ready.reset();
        daemon_.emplace(std::move(*process));
        char byte = 0;
        if (::read(ready.get(), &byte, 1) != 1) return broken("the daemon did not start again");
        return {};
    }

    Result<> start_service() {
        auto process = start_crash_service(socket(), ledger());
        if (!process) return std::unexpected(process.error());
        service_.emplace(std::move(*process));
        return {};
    }

    Result<> start_publisher(std::size_t place) {
        auto process = base::Process::start(
            {.arguments = {base::self_executable().string(), std::string(kCrashPublisher), socket(),
                           std::to_string(next_publisher_)},
             .inherit = {{writer_.get(), STDOUT_FILENO}},
             .standard_output = {},
             .standard_error = {},
             .cpus = {}});
        if (!process) return std::unexpected(process.error());
        publishers_[place].emplace(std::move(*process));
        numbers_[place] = next_publisher_++;
        return {};
    }

    static void kill(base::Process& process) {
        process.signal(SIGKILL);
        (void)process.wait(kLimit);
    }

    /// Reads what publishers said, waiting so long for the first of it; false when there was
    /// nothing.
    bool read_ends(int limit_ms) {
        pollfd waiter{.fd = reader_.get(), .events = POLLIN, .revents = 0};
        if (::poll(&waiter, 1, limit_ms) != 1) return false;
        std::array<CrashReport, 512> reports;
        const auto bytes = ::read(reader_.get(), reports.data(), sizeof reports);
        for (std::size_t i = 0;
             i < static_cast<std::size_t>(std::max<ssize_t>(bytes, 0)) / sizeof(CrashReport); ++i) {
            const CrashReport& report = reports[i];
            ++acknowledged_;
            if (report.outcome == static_cast<std::uint32_t>(Outcome::handled)) {
                handled_[report.publisher].insert(report.number);
            } else {
                ++refused_;
            }
            const bool awaited = awaited_ == Ends::any || is_for_external_service(report.number);
            if (awaited && report.ended > awaited_after_ && !first_end_after_)
                first_end_after_ = report.ended;
        }
        return bytes > 0;
    }

    /// Whose acknowledgement is awaited.
    enum class Ends : std::uint8_t { any, external };

    /// Waits for the next acknowledgement from now on.
    Result<> await_end(Ends ends) {
        awaited_ = ends;
        awaited_after_ = base::monotonic_now();
        first_end_after_.reset();
        const TimePoint limit = awaited_after_ + kLimit;
        while (!first_end_after_) {
            if (base::monotonic_now() > limit) return broken("nothing was acknowledged for 60 s");
            read_ends(100);
        }
        return {};
    }

    base::TempDir directory_;
    base::UniqueFd reader_;
    base::UniqueFd writer_;
    std::optional<base::Process> daemon_;
    std::optional<base::Process> service_;
    std::vector<std::optional<base::Process>> publishers_;
    std::array<std::uint32_t, kPublishers> numbers_{};  ///< of the publishers that run
    std::uint32_t next_publisher_ = 0;

    HandledEvents handled_;
    std::uint64_t acknowledged_ = 0;
    std::uint64_t refused_ = 0;
    Ends awaited_ = Ends::any;
    TimePoint awaited_after_;
    std::optional<TimePoint> first_end_after_;  ///< the first such end after that
    std::vector<double> daemon_recoveries_;
    std::vector<double> service_recoveries_;
};

Result<std::vector<double>> crash_trial(std::uint32_t kills, base::Rng& random) {
    const auto crashes = Crashes::start();
    if (!crashes) return std::unexpected(crashes.error());
    for (std::uint32_t i = 0; i < kills; ++i) {
        // Each has its turn, however few there are.
        const auto victim = i < kVictims ? i : random.below(kVictims);
        if (auto killed = (*crashes)->kill_one(static_cast<Victim>(victim), random); !killed)
            return std::unexpected(killed.error());
    }
    if (auto judged = (*crashes)->judge(); !judged) return std::unexpected(judged.error());
    std::vector<double> values{static_cast<double>((*crashes)->acknowledged())};
    for (auto recoveries : {(*crashes)->daemon_recoveries(), (*crashes)->service_recoveries()}) {
        std::ranges::sort(recoveries);
        values.insert(values.end(), {static_cast<double>(recoveries.size()),
                                     lab::stats::median(recoveries), recoveries.back()});
    }
    return values;
}

}  // namespace

void crashes_part(const Options& options, Rounds& rounds) {
    const std::uint32_t kills = options.smoke ? kSmokeKills : kKills;
    base::Rng random(options.seed);
    rounds.ask(
        {.part = "crashes",
         .text = fmt::format("{} random SIGKILLs a round", kills),
         .measures = {{"acknowledged", "1", "higher", "events", 1},
                      {"daemon_killed", "1", "higher", "times", 1},
                      {"recovery_p50", "s", "lower", "ms", 1e3},
                      {"recovery_max", "s", "lower", "ms", 1e3},
                      {"service_killed", "1", "higher", "times", 1},
                      {"service_recovery_p50", "s", "lower", "ms", 1e3},
                      {"service_recovery_max", "s", "lower", "ms", 1e3}},
         .arms = {{"crucibled",
                   "4 publishers that reconnect, half of their events for a service in a process "
                   "of its own; fails where an acknowledged event is not in the database or that "
                   "service's ledger, one is there twice, or out of its source's order",
                   [&] { return crash_trial(kills, random); }}}});
}

}  // namespace crucible::bench
