// The parts that drive every peer alike: throughput, latency, clients.
#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "daemon_performance/parts.h"
#include "daemon_performance/peer.h"
#include "daemon_performance/trial.h"

namespace crucible::bench {
namespace {

constexpr std::size_t kPayloads[] = {64, 512, 1024, 4096, 8192, 65536};
constexpr std::size_t kLatencyPayload = 1024;
constexpr std::size_t kClients[] = {4, 16, 64};

/// An arm for each peer that was asked for: `measure` of `publishers` connections to a fresh one.
template <typename Measure>
std::vector<Arm> peer_arms(const Options& options, std::size_t publishers,
                           std::size_t payload_bytes, Measure measure) {
    std::vector<Arm> arms;
    for (const auto& info : peers()) {
        if (!options.wants_peer(info.name)) continue;
        // Each peer is looked at once for itself; of several publishers, one peer that shares its
        // receiver among them and one that does not.
        if (options.smoke && publishers > 1 && info.name != "crucibled" &&
            info.name != "zeromq push")
            continue;
        auto trial = [=, make = info.make]() -> Result<std::vector<double>> {
            const auto peer = make();
            if (auto started = peer->start(); !started) return std::unexpected(started.error());
            std::vector<std::unique_ptr<Publisher>> connected;
            while (connected.size() < publishers) {
                auto publisher = peer->connect(payload_bytes);
                if (!publisher) return std::unexpected(publisher.error());
                connected.push_back(*std::move(publisher));
            }
            return measure(connected);
        };
        arms.push_back({std::string(info.name), std::string(info.confirms), std::move(trial)});
    }
    return arms;
}

void ask_latency(const Options& options, Rounds& rounds, std::string part, std::size_t publishers) {
    const auto length = options.trial_length();
    const auto payload = base::format_bytes(static_cast<double>(kLatencyPayload));
    rounds.ask({.part = std::move(part),
                .text = publishers == 1
                            ? fmt::format("publish to acknowledgement, one at a time, {}", payload)
                            : fmt::format("publish to acknowledgement, {} clients, {}", publishers,
                                          payload),
                .measures = {latency_measure("latency_p50"), latency_measure("latency_p99"),
                             latency_measure("latency_max")},
                .arms = peer_arms(options, publishers, kLatencyPayload,
                                  [=](const auto& connected) -> Result<std::vector<double>> {
                                      const auto latency = measure_latency(connected, length);
                                      if (!latency) return std::unexpected(latency.error());
                                      return std::vector{latency->p50, latency->p99, latency->max};
                                  })});
}

}  // namespace

void throughput_part(const Options& options, Rounds& rounds) {
    std::vector<std::size_t> payloads = options.payloads;
    if (payloads.empty() && options.smoke) payloads = {1024};
    if (payloads.empty()) payloads.assign(std::begin(kPayloads), std::end(kPayloads));
    const auto length = options.trial_length();
    for (const std::size_t payload : payloads) {
        rounds.ask({.part = "throughput",
                    .text = fmt::format("acknowledged events, one publisher, {}",
                                        base::format_bytes(static_cast<double>(payload))),
                    .measures = {throughput_measure()},
                    .arms = peer_arms(options, 1, payload, [=](const auto& connected) {
                        return one_value(measure_throughput(*connected.front(), payload, length));
                    })});
    }
}

void latency_part(const Options& options, Rounds& rounds) {
    ask_latency(options, rounds, "latency", 1);
}

void clients_part(const Options& options, Rounds& rounds) {
    for (const std::size_t clients : kClients) {
        if (options.smoke && clients != kClients[0]) continue;
        ask_latency(options, rounds, "clients", clients);
    }
}

}  // namespace crucible::bench
