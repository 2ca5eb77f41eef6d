// bench_daemon_performance: the daemon beside the brokers one would use in its place, on the same
// work in the same run; and what clients, services, rules, scenarios and memory cost it.
#include <fmt/format.h>

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "daemon_performance/crash_publisher.h"
#include "daemon_performance/parts.h"
#include "daemon_performance/peer.h"
#include "daemon_performance/zeromq.h"
#include "support/crash_service.h"
#include "support/parts_bench.h"

namespace crucible::bench {
namespace {

constexpr std::string_view kHelp =
    R"(Usage: bench_daemon_performance [options]
The daemon beside the brokers that one would use in its place, on the same work
in the same run: rounds in which each has one trial, in random order. Medians
over rounds with 95 % intervals, the spread between rounds ((greatest - least)
/ median), and ratios within rounds with 95 % intervals (from 6 rounds on).

  --part LIST     some of these parts; default all, about an hour
     throughput   one publisher, one event per call, payloads of 64 B to 64 KiB
     latency      publish to acknowledgement, one at a time, 1 KiB
     clients      the same under 4, 16 and 64 clients at once
     services     1, 10 and 100 services, work=none and work=real
     rules        10 to 100,000 rules through the daemon, and a decision alone
     scenarios    light, medium, heavy, stress; work=none and work=real beside
                  NATS and Redis, through the adapters of the lab
     durability   1 to 8 clients that write to one SQLite file, each by itself
                  (coordinator:) or through the daemon
     crashes      30 random SIGKILLs a round, of the daemon, of publishers and
                  of a service in a process of its own: fails where something
                  acknowledged is lost, doubled or out of order
     overload     three times what it can handle, and one service of eight
                  that stalls
     memory       idle, for a connection, for an event in the queue; and its
                  bound while a consumer stands still (for --seconds): fails
                  where the end of an event is not accounted for
  --peer LIST     some of the peers, in throughput, latency and clients:
{}
  --payload LIST  of throughput, e.g. 1KiB,4KiB
  --rounds N      default 7
  --seconds S     of each trial, default 1
  --seed N        of the order and of the events, default 1
  --json FILE     all of it, as crucible.daemon_performance/1
  --smoke         one round of short trials: shows that it works, measures
                  nothing
  --help          show this

What is not installed says so in its place.
Exit codes: 0 done, 2 bad usage, 5 a trial of something installed failed.

Examples:
  bench_daemon_performance --part throughput --payload 1KiB
  bench_daemon_performance --part latency,clients --peer crucibled
)";

constexpr std::array kParts{
    Part{"throughput", throughput_part}, Part{"latency", latency_part},
    Part{"clients", clients_part},       Part{"services", services_part},
    Part{"rules", rules_part},           Part{"scenarios", scenarios_part},
    Part{"durability", durability_part}, Part{"crashes", crashes_part},
    Part{"overload", overload_part},     Part{"memory", memory_part},
};

std::string peer_help() {
    std::string text;
    for (const auto& peer : peers()) text += fmt::format("     {:14}  {}\n", peer.name, peer.does);
    text.pop_back();
    return text;
}

int run(std::span<char* const> words) {
    PartsBench bench{.name = "bench_daemon_performance",
                     .help = fmt::format(kHelp, peer_help()),
                     .schema = "crucible.daemon_performance/1",
                     .parts = kParts};
    for (const auto& peer : peers()) bench.peers.push_back(peer.name);
    return run_parts_bench(words, bench);
}

}  // namespace
}  // namespace crucible::bench

int main(int argc, char** argv) {
    using namespace crucible::bench;
    const std::span<char*> words(argv, static_cast<std::size_t>(argc));
    const std::string_view word = words.size() > 1 ? words[1] : "";
    if (word == kZeromqBroker) return zeromq_broker(words.subspan(2));
    if (word == kCrashPublisher) return crash_publisher(words.subspan(2));
    if (word == kCrashService) return crash_service(words.subspan(2));
    if (word == kLabWorker) return run_lab_worker(words.subspan(2));
    return run(words);
}
