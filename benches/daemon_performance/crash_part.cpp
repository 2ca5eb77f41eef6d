// What survives: a daemon and its publishers killed again and again under load, and the database
// held against what was acknowledged.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "crucible/service.h"
#include "daemon_performance/crash_publisher.h"
#include "daemon_performance/crucibled_process.h"
#include "daemon_performance/parts.h"
#include "lab/stats/robust.h"
#include "runtime/service/sqlite.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPublishers = 4;
constexpr std::uint32_t kKills = 30;
constexpr std::uint32_t kSmokeKills = 3;
constexpr Duration kLimit = 60s;

std::unexpected<Error> broken(std::string what) {
    return std::unexpected(Error{Errc::failed, std::move(what)});
}

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
        if (auto started = crashes->start_daemon(); !started)
            return std::unexpected(started.error());
        for (std::size_t i = 0; i < kPublishers; ++i)
            if (auto started = crashes->start_publisher(i); !started)
                return std::unexpected(started.error());
        return crashes;
    }

    /// Kills somebody and starts it anew. - Errc::failed: nothing was acknowledged afterwards.
    Result<> kill_one(base::Rng& random) {
        // Something is under way when it comes.
        if (auto alive = await_end_after(base::monotonic_now()); !alive) return alive;
        std::this_thread::sleep_for(std::chrono::milliseconds(random.below(200)));
        if (const std::size_t victim = random.below(2 * kPublishers); victim < kPublishers) {
            kill(*publishers_[victim]);
            return start_publisher(victim);
        }
        const TimePoint killed = base::monotonic_now();
        kill(*daemon_);
        if (auto started = start_daemon(); !started) return started;
        if (auto alive = await_end_after(base::monotonic_now()); !alive) return alive;
        recoveries_.push_back(std::chrono::duration<double>(*first_end_after_ - killed).count());
        return {};
    }

    /// Ends everything in order and looks at what is in the database.
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
        daemon_->signal(SIGTERM);
        const auto status = daemon_->wait(kLimit);
        if (!status || status->exit_code != 0) return broken("the daemon did not stop in order");
        return compare();
    }

    std::vector<double> recoveries() const { return recoveries_; }
    std::uint64_t acknowledged() const { return acknowledged_; }

private:
    Crashes(base::TempDir directory, base::UniqueFd reader, base::UniqueFd writer)
        : directory_(std::move(directory)), reader_(std::move(reader)), writer_(std::move(writer)) {
        publishers_.resize(kPublishers);
    }

    std::string socket() const { return directory_.path() / "s"; }

    Result<> start_daemon() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return std::unexpected(base::errno_error("pipe", errno));
        const base::UniqueFd ready(ends[0]);
        base::UniqueFd tell_ready(ends[1]);
        constexpr int descriptor = 3;
        auto process =
            base::Process::start({.arguments = {crucibled_program().string(), "--socket", socket(),
                                                "--data", directory_.path() / "data", "--log-level",
                                                "error", "--ready-fd", std::to_string(descriptor)},
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
            if (awaited_ && report.ended > *awaited_ && !first_end_after_)
                first_end_after_ = report.ended;
        }
        return bytes > 0;
    }

    Result<> await_end_after(TimePoint moment) {
        awaited_ = moment;
        first_end_after_.reset();
        const TimePoint limit = moment + kLimit;
        while (!first_end_after_) {
            if (base::monotonic_now() > limit) return broken("nothing was acknowledged for 60 s");
            read_ends(100);
        }
        return {};
    }

    Result<> compare() {
        if (refused_ > 0) return broken(fmt::format("{} events did not end as handled", refused_));
        const auto handle =
            runtime::open_sqlite(directory_.path() / "data/crucible.db", SQLITE_OPEN_READWRITE);
        if (!handle) return std::unexpected(handle.error());
        // In the order in which they were written.
        const auto rows =
            runtime::prepare(handle->get(), "SELECT source, key, version FROM records ORDER BY id");
        if (!rows) return std::unexpected(rows.error());
        std::unordered_map<std::string, std::int64_t> last;
        std::uint64_t found = 0;
        std::uint64_t written = 0;
        const auto text = [&](int column) {
            return std::string(
                reinterpret_cast<const char*>(sqlite3_column_text(rows->get(), column)));
        };
        while (sqlite3_step(rows->get()) == SQLITE_ROW) {
            const std::string source = text(0);
            const std::int64_t number = std::stoll(text(1));
            if (sqlite3_column_int64(rows->get(), 2) != 1)
                return broken(fmt::format("event {} of {} was handled twice", number, source));
            const auto [before, first] = last.try_emplace(source, -1);
            if (number <= before->second)
                return broken(fmt::format("event {} of {} was handled after its event {}", number,
                                          source, before->second));
            before->second = number;
            ++written;
            const auto publisher = static_cast<std::uint32_t>(
                std::stoul(source.substr(std::string_view("publisher-").size())));
            found += handled_[publisher].contains(static_cast<std::uint64_t>(number)) ? 1 : 0;
        }
        if (found != acknowledged_)
            return broken(fmt::format("{} of {} acknowledged events are not in the database",
                                      acknowledged_ - found, acknowledged_));
        const auto applied =
            runtime::query_integer(handle->get(), "SELECT count(*) FROM applied_events");
        if (!applied) return std::unexpected(applied.error());
        if (static_cast<std::uint64_t>(*applied) != written)
            return broken(
                fmt::format("{} events were applied, {} wrote a record", *applied, written));
        return {};
    }

    base::TempDir directory_;
    base::UniqueFd reader_;
    base::UniqueFd writer_;
    std::optional<base::Process> daemon_;
    std::vector<std::optional<base::Process>> publishers_;
    std::array<std::uint32_t, kPublishers> numbers_{};  ///< of the publishers that run
    std::uint32_t next_publisher_ = 0;

    std::unordered_map<std::uint32_t, std::unordered_set<std::uint64_t>> handled_;
    std::uint64_t acknowledged_ = 0;
    std::uint64_t refused_ = 0;
    std::optional<TimePoint> awaited_;
    std::optional<TimePoint> first_end_after_;  ///< the first end after what is awaited
    std::vector<double> recoveries_;
};

Result<std::vector<double>> crash_trial(std::uint32_t kills, base::Rng& random) {
    const auto crashes = Crashes::start();
    if (!crashes) return std::unexpected(crashes.error());
    for (std::uint32_t i = 0; i < kills; ++i)
        if (auto killed = (*crashes)->kill_one(random); !killed)
            return std::unexpected(killed.error());
    if (auto judged = (*crashes)->judge(); !judged) return std::unexpected(judged.error());
    auto recoveries = (*crashes)->recoveries();
    std::ranges::sort(recoveries);
    return std::vector{static_cast<double>((*crashes)->acknowledged()),
                       static_cast<double>(recoveries.size()),
                       recoveries.empty() ? 0 : lab::stats::median(recoveries),
                       recoveries.empty() ? 0 : recoveries.back()};
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
                      {"recovery_max", "s", "lower", "ms", 1e3}},
         .arms = {{"crucibled",
                   "4 publishers that reconnect; fails where an acknowledged event is not in "
                   "the database, one is there twice, or out of its source's order",
                   [&] { return crash_trial(kills, random); }}}});
}

}  // namespace crucible::bench
