// The parts that vary one number of a load and look at what memory does: payload, rate, services,
// clients, queue.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

#include "base/units.h"
#include "memory_profiling/memory_ladder.h"
#include "memory_profiling/parts.h"
#include "memory_profiling/stalled_coordinator.h"
#include "support/idle_connections.h"
#include "support/lab_trial.h"
#include "support/stopped_consumer.h"

namespace crucible::bench {
namespace {

/// What both handle without a backlog on a small machine, with the largest payloads, too.
constexpr const char* kRate = "200";
constexpr std::array<std::size_t, 4> kPayloads{1u << 10, 4u << 10, 16u << 10, 64u << 10};
constexpr std::array<const char*, 3> kRates{"100", "1000", "max"};
constexpr std::array<std::uint32_t, 3> kServices{1, 10, 100};
constexpr std::array<std::uint32_t, 7> kClients{1, 2, 4, 8, 16, 32, 64};
constexpr std::array<std::uint32_t, 4> kQueued{1'024, 4'096, 8'192, 16'384};
/// Seen in samples: of the window that a client keeps full.
constexpr double kQueueFilled = 0.9;
constexpr Duration kQueueDrain = std::chrono::seconds(60);
constexpr const char* kQueuedPayload = "512B";
constexpr std::size_t kConnections = 2'000;
constexpr std::size_t kConnectionsSmoke = 100;

/// A level of the load `medium` with these changes. A load that cannot be resolved fails the part.
bool add_level(const Options& options, Rounds& rounds, LadderLevel level,
               const app::LoadOptions& load, std::vector<LadderLevel>& levels) {
    auto scenario = scenario_named("medium", options, load);
    if (!scenario) {
        rounds.fail(level.name, scenario.error());
        return false;
    }
    level.scenario = *std::move(scenario);
    level.scenario.system.clients = level.scenario.plan.clients;
    levels.push_back(std::move(level));
    return true;
}

/// All of them, or with --smoke the first two.
template <typename Values>
auto of_interest(const Options& options, const Values& all) {
    return std::span(all).first(options.smoke ? std::min<std::size_t>(2, all.size()) : all.size());
}

std::string counted(std::uint32_t count, std::string_view what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

void payload_part(const Options& options, Rounds& rounds) {
    std::vector<std::size_t> payloads = options.payloads;
    if (payloads.empty()) payloads.assign(kPayloads.begin(), kPayloads.end());
    std::vector<LadderLevel> levels;
    for (const auto bytes : of_interest(options, payloads)) {
        app::LoadOptions load;
        load.rate = kRate;
        load.payload = fmt::format("{}B", bytes);
        const auto size = static_cast<double>(bytes);
        if (!add_level(options, rounds, {base::format_bytes(size), size, {}}, load, levels)) return;
    }
    MemoryLadder ladder(options, "payload", std::move(levels));
    ladder.ask(rounds, fmt::format("payload: {} events/s, 4 clients", kRate),
               {memory_peak_reading(), live_peak_reading(), live_bytes_reading(),
                allocations_reading(), allocated_bytes_reading()});
    ladder.ask_slopes(rounds, "payload byte",
                      {memory_peak_reading(), live_peak_reading(), live_bytes_reading(),
                       allocated_bytes_reading()});
    for (std::size_t level = 0; level < ladder.levels(); ++level) ladder.ask_owners(rounds, level);
}

void frequency_part(const Options& options, Rounds& rounds) {
    std::vector<LadderLevel> levels;
    for (const std::string rate : of_interest(options, kRates)) {
        app::LoadOptions load;
        load.rate = rate;
        const bool most = rate == "max";
        if (!add_level(options, rounds,
                       {most ? "maximum" : rate + "/s", most ? 0 : std::stod(rate), {}}, load,
                       levels))
            return;
    }
    MemoryLadder ladder(options, "frequency", std::move(levels));
    ladder.ask(rounds, "frequency: 1 KiB, 4 clients",
               {throughput_reading(), allocations_reading(), allocated_bytes_reading(),
                memory_peak_reading(), live_peak_reading(), live_bytes_reading()},
               Against::lowest);
    ladder.ask_owners(rounds, ladder.levels() - 1);
}

void services_part(const Options& options, Rounds& rounds) {
    std::vector<LadderLevel> levels;
    for (const auto services : of_interest(options, kServices)) {
        app::LoadOptions load;
        load.rate = kRate;
        load.services = std::to_string(services);
        if (!add_level(options, rounds,
                       {counted(services, "service"), static_cast<double>(services), {}}, load,
                       levels))
            return;
    }
    MemoryLadder ladder(options, "services", std::move(levels));
    const std::vector readings{memory_peak_reading(), live_peak_reading(), live_bytes_reading()};
    ladder.ask(rounds, "services: each of 4 embedded coordinators has its own", readings);
    ladder.ask_slopes(rounds, "service", readings);
    // Not the last: a hundred services are a hundred owners.
    ladder.ask_owners(rounds, 1);
}

void clients_part(const Options& options, Rounds& rounds) {
    std::vector<LadderLevel> levels;
    for (const auto clients : of_interest(options, kClients)) {
        app::LoadOptions load;
        load.rate = kRate;
        load.clients = std::to_string(clients);
        if (!add_level(options, rounds,
                       {counted(clients, "client"), static_cast<double>(clients), {}}, load,
                       levels))
            return;
    }
    MemoryLadder ladder(options, "clients", std::move(levels));
    const std::vector readings{memory_peak_reading(), live_peak_reading(), live_bytes_reading(),
                               idle_bytes_reading()};
    ladder.ask(rounds, fmt::format("clients: {} events/s of all together", kRate), readings);
    ladder.ask_slopes(rounds, "client", readings);
    ladder.ask_owners(rounds, ladder.levels() - 1);
    const std::size_t connections = options.smoke ? kConnectionsSmoke : kConnections;
    rounds.ask({.part = "clients",
                .text = fmt::format("connections: resident, idle, and for each of {}", connections),
                .measures = {bytes_measure("memory_idle", "MiB", kPerMiB),
                             bytes_measure("memory_per_connection")},
                .arms = {{"daemon:", "resident; idle connections that have shaken hands",
                          [=] { return crucibled_idle(connections); }},
                         {"coordinator:", "",
                          [] -> Result<std::vector<double>> {
                              return std::unexpected(
                                  Error{Errc::unsupported,
                                        "has no connections: each client embeds its own"});
                          }}},
                .first_to_other = false});
}

void saturation_part(const Options& options, Rounds& rounds) {
    std::vector<LadderLevel> levels;
    for (const auto queued : of_interest(options, kQueued)) {
        app::LoadOptions load;
        load.rate = "max";
        load.window = std::to_string(queued);
        load.clients = "1";
        load.payload = kQueuedPayload;
        load.mix = "database=1";
        const double most = queued;
        if (!add_level(options, rounds,
                       {.name = fmt::format("{} queued", queued),
                        .at = most,
                        .scenario = {},
                        .in_flight_least = options.smoke ? 0 : kQueueFilled * most},
                       load, levels))
            return;
        levels.back().scenario.plan.drain_limit = kQueueDrain;
    }
    MemoryLadder ladder(options, "saturation", std::move(levels));
    ladder.ask(
        rounds, "saturation: records of 512 B, a client with so many under way",
        {live_peak_reading(), memory_peak_reading(), live_bytes_reading(), in_flight_reading()});
    ladder.ask_slopes(rounds, "queued event", {live_peak_reading(), memory_peak_reading()});
    ladder.ask_owners(rounds, ladder.levels() - 1);
    rounds.ask(
        {.part = "saturation",
         .text = fmt::format("saturation: a consumer that stands still for {} s, a publisher "
                             "without limits, 4 KiB",
                             options.seconds),
         .measures = stopped_consumer_measures(),
         .arms = {{"coordinator:", "its database's service stalls: another process holds the lock",
                   [&] { return stalled_coordinator_trial(options); }},
                  {"daemon:", "a service in a process of its own, stopped by SIGSTOP",
                   [&] { return stopped_consumer_trial(options); }}},
         .first_to_other = false,
         .ratio_label = "to c."});
}

}  // namespace crucible::bench
