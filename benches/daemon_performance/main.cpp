// bench_daemon_performance: the daemon beside the brokers one would use in its place, on the same
// work in the same run; and what clients, services, rules, scenarios and memory cost it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "crucible_version.h"
#include "daemon_performance/crash_publisher.h"
#include "daemon_performance/crash_service.h"
#include "daemon_performance/options.h"
#include "daemon_performance/parts.h"
#include "daemon_performance/peer.h"
#include "daemon_performance/rounds.h"
#include "daemon_performance/zeromq.h"
#include "lab/compare/json_parts.h"
#include "lab/run/trial.h"
#include "runtime/event/rfc3339.h"

namespace crucible::bench {
namespace {

constexpr int kDone = 0;
constexpr int kUsage = 2;
constexpr int kTargetFailed = 5;

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

struct Part {
    std::string_view name;
    void (*run)(const Options& options, Rounds& rounds);
};

constexpr std::array kParts{
    Part{"throughput", throughput_part}, Part{"latency", latency_part},
    Part{"clients", clients_part},       Part{"services", services_part},
    Part{"rules", rules_part},           Part{"scenarios", scenarios_part},
    Part{"durability", durability_part}, Part{"crashes", crashes_part},
    Part{"overload", overload_part},     Part{"memory", memory_part},
};

int complain(std::string_view what) {
    fmt::print(stderr, "bench_daemon_performance: {}\n", what);
    return kUsage;
}

std::string peer_help() {
    std::string text;
    for (const auto& peer : peers()) text += fmt::format("     {:14}  {}\n", peer.name, peer.does);
    text.pop_back();
    return text;
}

Result<> write_result(const Options& options, std::span<char* const> words, WallTime started,
                      double seconds, const Rounds& rounds) {
    const lab::RunFacts facts{.version = kCrucibleVersion,
                              .commit = kCrucibleCommit,
                              .command = {words.begin(), words.end()},
                              .started = runtime::to_rfc3339(started),
                              .duration_seconds = seconds,
                              .seed = options.seed};
    auto result = lab::header_json("crucible.daemon_performance/1", facts);
    result["rounds"] = options.rounds;
    result["trial_seconds"] = options.seconds;
    result["failed_trials"] = rounds.failures();
    result["questions"] = rounds.questions();
    return base::write_file(options.json_path, result.dump(1) + "\n");
}

int run(std::span<char* const> words) {
    const auto arguments = words.subspan(1);
    Choices choices;
    for (const auto& part : kParts) choices.parts.push_back(part.name);
    for (const auto& peer : peers()) choices.peers.push_back(peer.name);
    for (const std::string_view word : arguments) {
        if (word != "--help" && word != "-h") continue;
        fmt::print(kHelp, peer_help());
        return kDone;
    }
    const auto options = parse_options(arguments, choices);
    if (!options) return complain(options.error().message);
    if (!options->json_path.empty()) {
        // What cannot be written is better said before than after.
        const auto emptied = base::write_file(options->json_path, "");
        if (!emptied) return complain(emptied.error().message);
    }
    // Thousands of connections are opened, half of them by the servers, which inherit the limit.
    base::raise_descriptor_limit();
    const auto started = base::wall_now();
    const auto begin = base::monotonic_now();
    Rounds rounds(*options);
    for (const auto& part : kParts) {
        if (!options->parts.empty() &&
            std::ranges::find(options->parts, part.name) == options->parts.end())
            continue;
        part.run(*options, rounds);
    }
    const std::chrono::duration<double> spent = base::monotonic_now() - begin;
    if (!options->json_path.empty()) {
        const auto written = write_result(*options, words, started, spent.count(), rounds);
        if (!written) return complain(written.error().message);
    }
    if (rounds.failures() == 0) return kDone;
    fmt::print(stderr, "bench_daemon_performance: {} trials failed\n", rounds.failures());
    return kTargetFailed;
}

/// A client process of the lab: `worker --control-fd N`.
int worker(std::span<char* const> words) {
    const std::string_view number = words.empty() ? "" : words.back();
    int descriptor = -1;
    std::from_chars(number.data(), number.data() + number.size(), descriptor);
    if (descriptor < 0) return complain("worker: started by the bench itself");
    return lab::worker_main(descriptor);
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
    if (word == "worker") return worker(words.subspan(2));
    return run(words);
}
