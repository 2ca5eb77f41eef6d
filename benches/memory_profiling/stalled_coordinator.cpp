#include "memory_profiling/stalled_coordinator.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "lab/record/resources.h"
#include "runtime/coordinator/data_coordinator.h"
#include "runtime/service/sqlite.h"
#include "support/publisher_events.h"
#include "support/stopped_consumer.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr std::size_t kStalledPayload = 4096;
constexpr Duration kStalledDrain = 120s;
constexpr int kStalledSampleMs = 20;

std::unexpected<Error> not_kept(std::string what) {
    return std::unexpected(Error{Errc::failed, std::move(what)});
}

/// What became of the events that a coordinator accepted.
class Ends {
public:
    void take(std::span<const Acknowledgement> batch) {
        for (const auto& [token, outcome] : batch) {
            if (token >= ended_.size()) ended_.resize(token + 1);
            repeated_ += ended_[token] ? 1 : 0;
            ended_[token] = true;
            ++counts_[static_cast<std::size_t>(outcome)];
        }
    }
    json counts() const {
        const auto of = [this](Outcome outcome) {
            return counts_[static_cast<std::size_t>(outcome)];
        };
        return {{"handled", of(Outcome::handled)},
                {"rejected", of(Outcome::rejected)},
                {"failed", of(Outcome::failed)},
                {"repeated", repeated_}};
    }

private:
    std::vector<bool> ended_;  ///< by token
    std::array<std::uint64_t, 4> counts_{};
    std::uint64_t repeated_ = 0;
};

/// Publishes whatever becomes of it.
struct Published {
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;
    std::uint64_t otherwise = 0;  ///< of those not because the queue is full

    void run(Coordinator& coordinator, const std::stop_token& stop) {
        const auto next = records(1, kStalledPayload);
        while (!stop.stop_requested()) {
            const auto published = coordinator.publish(next(), accepted);
            if (published) {
                ++accepted;
                continue;
            }
            ++refused;
            // On this path a code is the whole reason.
            otherwise += published.error().code == Errc::overloaded ? 0 : 1;
            std::this_thread::yield();
        }
    }
};

/// The process, and the ends of the pipes to it.
struct StalledProcess {
    base::Process process;
    base::UniqueFd go;    ///< to its standard input
    base::UniqueFd told;  ///< from its standard output
};

Result<StalledProcess> start_stalled(const std::filesystem::path& data) {
    std::array<int, 2> input{};
    std::array<int, 2> output{};
    if (::pipe2(input.data(), O_CLOEXEC) != 0)
        return std::unexpected(base::errno_error("pipe", errno));
    const base::UniqueFd its_input(input[0]);
    base::UniqueFd go(input[1]);
    if (::pipe2(output.data(), O_CLOEXEC) != 0)
        return std::unexpected(base::errno_error("pipe", errno));
    base::UniqueFd told(output[0]);
    const base::UniqueFd its_output(output[1]);
    auto process = base::Process::start(
        {.arguments = {base::self_executable().string(), std::string(kStalledCoordinator),
                       data.string()},
         .inherit = {{its_input.get(), STDIN_FILENO}, {its_output.get(), STDOUT_FILENO}},
         .standard_output = {},
         .standard_error = {},
         .cpus = {}});
    if (!process) return std::unexpected(process.error());
    return StalledProcess{*std::move(process), std::move(go), std::move(told)};
}

/// Everything that it writes from here to its end.
std::string read_all(int descriptor) {
    std::string text;
    std::array<char, 512> buffer{};
    for (;;) {
        const auto count = ::read(descriptor, buffer.data(), buffer.size());
        if (count <= 0) return text;
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
}

Result<> judge_stalled(const json& told, const std::filesystem::path& database) {
    if (!told.is_object()) return not_kept("the process did not tell what became of its events");
    const auto count = [&told](const char* name) { return told.value(name, std::uint64_t{0}); };
    if (count("otherwise") > 0)
        return not_kept(fmt::format("{} events were refused otherwise than for a full queue",
                                    count("otherwise")));
    if (count("repeated") > 0)
        return not_kept(fmt::format("{} events ended twice", count("repeated")));
    const auto ended = count("handled") + count("rejected") + count("failed");
    if (ended != count("accepted"))
        return not_kept(fmt::format("{} of {} accepted events ended", ended, count("accepted")));
    const auto handle = runtime::open_sqlite(database, SQLITE_OPEN_READWRITE);
    if (!handle) return std::unexpected(handle.error());
    const auto rows = runtime::query_integer(handle->get(), "SELECT COUNT(*) FROM records");
    if (!rows) return std::unexpected(rows.error());
    if (static_cast<std::uint64_t>(*rows) != count("handled"))
        return not_kept(
            fmt::format("{} events were handled, {} are in the database", count("handled"), *rows));
    return {};
}

Result<double> resident_of(pid_t pid) {
    const auto reading = lab::read_process(pid);
    if (!reading) return std::unexpected(reading.error());
    return static_cast<double>(reading->rss_bytes);
}

}  // namespace

int stalled_coordinator(std::span<char* const> words) {
    if (words.size() != 1) return 2;
    Ends ends;
    runtime::CoordinatorOptions options;
    options.services.data_directory = words[0];
    options.services.process_name = "stalled";
    options.queue_events_max = options.service_events_max = 2'000'000;
    options.queue_bytes_max = kStoppedQueueBytes;
    options.dead_letters.bytes_max = kStoppedDeadLetterBytes;
    const auto coordinator = runtime::make_data_coordinator(
        options, [&ends](std::span<const Acknowledgement> batch) { ends.take(batch); });
    if (!coordinator) {
        fmt::print(stderr, "{}\n", coordinator.error().message);
        return 1;
    }
    char byte = '.';
    if (::write(STDOUT_FILENO, &byte, 1) != 1 || ::read(STDIN_FILENO, &byte, 1) != 1) return 1;
    Published published;
    {
        const std::jthread publisher(
            [&](const std::stop_token& stop) { published.run(**coordinator, stop); });
        while (::read(STDIN_FILENO, &byte, 1) > 0) {
        }
    }
    if (!(*coordinator)->drain(kStalledDrain)) return 1;
    auto told = ends.counts();
    told.update({{"accepted", published.accepted},
                 {"refused", published.refused},
                 {"otherwise", published.otherwise}});
    fmt::print("{}\n", told.dump());
    return 0;
}

Result<std::vector<double>> stalled_coordinator_trial(const Options& options) {
    const auto directory = base::TempDir::make("stalled");
    if (!directory) return std::unexpected(directory.error());
    auto stalled = start_stalled(directory->path());
    if (!stalled) return std::unexpected(stalled.error());
    char byte = 0;
    if (::read(stalled->told.get(), &byte, 1) != 1) return not_kept("no coordinator was opened");
    const auto database = directory->path() / "crucible.db";
    auto lock = runtime::open_sqlite(database, SQLITE_OPEN_READWRITE);
    if (!lock) return std::unexpected(lock.error());
    if (auto held = runtime::execute(lock->get(), "BEGIN IMMEDIATE"); !held)
        return std::unexpected(held.error());
    const auto idle = resident_of(stalled->process.pid());
    if (!idle) return std::unexpected(idle.error());
    const double bound = stopped_memory_bound(*idle);
    double peak = *idle;
    if (::write(stalled->go.get(), &byte, 1) != 1) return not_kept("it has ended");
    const TimePoint until = base::monotonic_now() + options.trial_length();
    do {
        const auto resident = resident_of(stalled->process.pid());
        if (!resident) return std::unexpected(resident.error());
        peak = std::max(peak, *resident);
        ::poll(nullptr, 0, kStalledSampleMs);
    } while (base::monotonic_now() < until);
    stalled->go.reset();
    lock->reset();
    const auto told = json::parse(read_all(stalled->told.get()), nullptr, false);
    if (auto judged = judge_stalled(told, database); !judged)
        return std::unexpected(judged.error());
    if (peak > bound)
        return not_kept(fmt::format("{:.1f} MiB were resident, the bound is {:.1f} MiB",
                                    peak / (1 << 20), bound / (1 << 20)));
    const auto number = [&told](const char* name) { return told.value(name, 0.0); };
    return std::vector{
        peak, bound, number("handled"), number("rejected"), number("failed"), number("refused")};
}

}  // namespace crucible::bench
