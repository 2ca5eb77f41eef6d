// The honest part: clients that write to one database file, each with an embedded coordinator of
// its own or through one daemon, through the lab.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "daemon_performance/parts.h"
#include "lab/aggregate/metric.h"
#include "support/lab_trial.h"

namespace crucible::bench {
namespace {

constexpr std::uint32_t kClients[] = {1, 2, 4, 8};
constexpr std::string_view kDurabilities[] = {"normal", "full"};
constexpr std::uint32_t kWindows[] = {1, 64};

struct Writer {
    std::string_view name;
    std::string_view description;
    std::string_view target;
};
constexpr Writer kWriters[] = {
    {"daemon", "one process writes what all clients send", "daemon:"},
    {"coordinator", "each client writes; a transaction has what waits in its process",
     "coordinator:"},
    {"coord. unbatched", "each client writes, one transaction for each event",
     "coordinator:?batch=1"},
};

/// Transactions committed to the database in a system's directory since it was opened: SQLite's own
/// count in the header of the log's index (https://sqlite.org/walformat.html, iChange), which all
/// processes share. The same for every system, and without asking it.
Result<std::uint32_t> commits_in(const std::filesystem::path& directory) {
    constexpr off_t change_counter = 8;
    for (const auto& path : {directory / "crucible.db-shm", directory / "data/crucible.db-shm"}) {
        const base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!file) continue;
        std::uint32_t commits = 0;
        if (::pread(file.get(), &commits, sizeof commits, change_counter) ==
            static_cast<ssize_t>(sizeof commits))
            return commits;
    }
    return std::unexpected(
        Error{Errc::not_found, "no index of a write-ahead log in " + directory.string()});
}

Result<lab::Scenario> scenario_of(std::uint32_t clients, std::string_view durability,
                                  std::uint32_t window, const Options& options) {
    app::LoadOptions load;
    load.rate = "max";
    load.mix = "database=1";
    load.payload = "512B";
    load.services = "6";
    load.clients = std::to_string(clients);
    load.window = std::to_string(window);
    load.durability = durability;
    return scenario_named("medium", options, std::move(load));
}

/// Throughput, longest stall, fairness, commits per second and events per commit.
Result<std::vector<double>> trial_of(const Writer& writer, const lab::Scenario& scenario,
                                     std::string_view durability) {
    Result<std::uint32_t> commits = 0;
    const auto result = run_lab_trial(
        fmt::format("{}{}durability={}", writer.target,
                    writer.target.find('?') == std::string_view::npos ? '?' : '&', durability),
        scenario, {.before_stop = [&commits](lab::System& system) {
            commits = commits_in(system.data_directory().value_or(""));
        }});
    if (!result) return std::unexpected(result.error());
    if (!commits) return std::unexpected(commits.error());
    std::uint64_t events = 0;
    for (const auto& phase : result->phases) events += phase.delivery.handled;
    if (*commits == 0) return std::unexpected(Error{Errc::failed, "nothing was committed"});
    const auto metrics = lab::trial_metrics(*result, nullptr);
    const auto value = [&metrics](std::string_view name, double otherwise) {
        const auto found = std::ranges::find(
            metrics, name, [](const lab::MetricValue& metric) { return metric.info->name; });
        return found == metrics.end() ? otherwise : found->value.value_or(otherwise);
    };
    const double events_per_commit = static_cast<double>(events) / *commits;
    const double throughput = value("throughput", 0);
    // One client is as fast as the fastest.
    return std::vector{throughput, value("longest_stall", 0), value("fairness", 1),
                       throughput / events_per_commit, events_per_commit};
}

}  // namespace

void durability_part(const Options& options, Rounds& rounds) {
    for (const auto durability : kDurabilities) {
        for (const auto window : kWindows) {
            for (const auto clients : kClients) {
                if (options.smoke && (clients != 2 || window != kWindows[1])) continue;
                const auto scenario = scenario_of(clients, durability, window, options);
                std::vector<Arm> arms;
                for (const auto& writer : kWriters) {
                    arms.push_back({std::string(writer.name), std::string(writer.description),
                                    [&, durability]() -> Result<std::vector<double>> {
                                        if (!scenario) return std::unexpected(scenario.error());
                                        return trial_of(writer, *scenario, durability);
                                    }});
                }
                rounds.ask(
                    {.part = "durability",
                     .text = fmt::format("durability={}, {} in flight, {} client{}", durability,
                                         window, clients, clients == 1 ? "" : "s"),
                     .measures = {throughput_measure(),
                                  {"longest_stall", "s", "lower", "ms", 1e3},
                                  {"fairness", "1", "higher", "1", 1},
                                  {"commits", "1/s", "lower", "1/s", 1},
                                  {"events_per_commit", "1", "higher", "1", 1}},
                     .arms = std::move(arms)});
            }
        }
    }
}

}  // namespace crucible::bench
