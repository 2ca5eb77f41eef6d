// The parts that the lab drives: whole trials of its own, with client processes, the production mix
// of events, and the adapters `daemon:`, `nats:` and `redis:` as every user has them.
#include <fmt/format.h>

#include <algorithm>

#include "daemon_performance/nats_wire.h"
#include "daemon_performance/parts.h"
#include "daemon_performance/redis_wire.h"
#include "support/lab_trial.h"

namespace crucible::bench {
namespace {

constexpr std::uint32_t kServices[] = {1, 10, 100};
constexpr std::string_view kScenarios[] = {"light", "medium", "heavy", "stress"};
/// Events in flight of each client, where only what the daemon can do is asked.
constexpr std::string_view kWindow = "256";

/// Events per second at most, then p50 and p99 of the response time at the scenario's steady rate,
/// which stands first among the phases.
std::vector<double> values_of(const lab::TrialResult& result) {
    const auto seconds = [](Duration time) { return std::chrono::duration<double>(time).count(); };
    const auto& steady = result.phases.front().latency;
    return {result.phases.back().throughput, seconds(steady.quantile(0.5)),
            seconds(steady.quantile(0.99))};
}

/// A target of the lab, and what its adapter waits for before an event counts as handled.
struct Target {
    std::string_view name;
    std::string_view confirms;
    bool smoke;  ///< also where only one of each kind is looked at
    Result<std::vector<double>> (*trial)(const lab::Scenario& scenario);
};

Result<std::vector<double>> measured(const std::string& target, const lab::Scenario& scenario) {
    const auto result = run_lab_trial(target, scenario);
    if (!result) return std::unexpected(result.error());
    return values_of(*result);
}

Result<std::vector<double>> with_nats(std::string_view mode, const lab::Scenario& scenario) {
    const auto server = nats::start_server(mode == "jetstream");
    if (!server) return std::unexpected(server.error());
    return measured(fmt::format("nats://127.0.0.1:{}/s?mode={}&format=payload&pid={}", server->port,
                                mode, server->process.pid()),
                    scenario);
}

Result<std::vector<double>> with_redis(std::string_view mode, const lab::Scenario& scenario) {
    const auto server = redis::start_server();
    if (!server) return std::unexpected(server.error());
    return measured(fmt::format("redis://127.0.0.1:{}/s?mode={}&format=payload&pid={}",
                                server->port, mode, server->process.pid()),
                    scenario);
}

constexpr Target kTargets[] = {
    {"daemon work=none", "routed to a service that acknowledges unseen", true,
     [](const lab::Scenario& scenario) { return measured("daemon:?work=none", scenario); }},
    {"daemon work=real", "its service has done its work; the adapter of daemon:", true,
     [](const lab::Scenario& scenario) { return measured("daemon:?work=real", scenario); }},
    {"nats core", "received by a subscription of the client; the adapter of nats:", false,
     [](const lab::Scenario& scenario) { return with_nats("core", scenario); }},
    {"nats jetstream", "stored, received by a consumer and acknowledged; the adapter of nats:",
     true, [](const lab::Scenario& scenario) { return with_nats("jetstream", scenario); }},
    {"redis pub/sub", "received by a subscription of the client; the adapter of redis:", false,
     [](const lab::Scenario& scenario) { return with_redis("pubsub", scenario); }},
    {"redis stream", "read by a group's consumer and acknowledged; the adapter of redis:", true,
     [](const lab::Scenario& scenario) { return with_redis("stream", scenario); }},
};

}  // namespace

void scenarios_part(const Options& options, Rounds& rounds) {
    for (const auto name : kScenarios) {
        if (options.smoke && name != kScenarios[0]) continue;
        std::vector<Arm> arms;
        const auto scenario = scenario_named(name, options, {});
        for (const auto& target : kTargets) {
            if (options.smoke && !target.smoke) continue;
            arms.push_back({std::string(target.name), std::string(target.confirms),
                            [&scenario, &target]() -> Result<std::vector<double>> {
                                if (!scenario) return std::unexpected(scenario.error());
                                return target.trial(*scenario);
                            }});
        }
        rounds.ask({.part = "scenarios",
                    .text = fmt::format("scenario {}", name),
                    .measures = {throughput_measure(), latency_measure("latency_p50"),
                                 latency_measure("latency_p99")},
                    .arms = std::move(arms)});
    }
}

void services_part(const Options& options, Rounds& rounds) {
    for (const std::string_view work : {"none", "real"}) {
        std::vector<Arm> arms;
        for (const std::uint32_t services : kServices) {
            if (options.smoke && services != kServices[1]) continue;
            arms.push_back({fmt::format("{} service{}", services, services == 1 ? "" : "s"),
                            "the production mix, from 4 clients",
                            [=, &options]() -> Result<std::vector<double>> {
                                app::LoadOptions load;
                                load.rate = "max";
                                load.window = kWindow;
                                load.services = std::to_string(services);
                                const auto scenario = scenario_named("medium", options, load);
                                if (!scenario) return std::unexpected(scenario.error());
                                const auto result =
                                    run_lab_trial(fmt::format("daemon:?work={}", work), *scenario);
                                if (!result) return std::unexpected(result.error());
                                return std::vector{result->phases.front().throughput};
                            }});
        }
        rounds.ask({.part = "services",
                    .text = fmt::format("services, work={}", work),
                    .measures = {throughput_measure()},
                    .arms = std::move(arms),
                    .first_to_other = false,
                    .ratio_label = "to 1"});
    }
}

}  // namespace crucible::bench
