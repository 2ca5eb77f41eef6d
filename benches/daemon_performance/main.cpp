// bench_daemon_performance: the daemon beside the brokers one would use in its place, on the same
// work in the same run.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "daemon_performance/peer.h"
#include "lab/stats/robust.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kHelp =
    "Usage: bench_daemon_performance [--smoke] [--rounds N] [--seconds S] [--seed N] [--json "
    "FILE]\n"
    "The daemon beside the brokers that one would use in its place: one publisher whose "
    "application\n"
    "sends one event per call, and events per second that were acknowledged; and publish to\n"
    "acknowledgement one at a time. Rounds of all of them in random order; medians, and ratios\n"
    "within rounds. The daemon runs without work: it routes each event and acknowledges it "
    "unseen,\n"
    "where the others hand it to a receiver.\n\n"
    "  --rounds N   default 7\n"
    "  --seconds S  of each trial, default 1\n"
    "  --smoke      one round of 0.1 s: shows that it works, measures nothing\n"
    "  --json FILE  every trial and the medians\n"
    "  --help       show this\n\n"
    "Peers that are not installed are left out and said so.\n";

struct Options {
    std::uint32_t rounds = 7;
    double seconds = 1;
    std::uint64_t seed = 1;
    std::string json_path;
    bool smoke = false;
};

using MakePeer = std::unique_ptr<Peer> (*)();

/// So much may be under way: more only fills buffers.
constexpr std::size_t kInFlightBytes = 16u << 20;

std::optional<double> throughput(Peer& peer, std::size_t payload_bytes, Duration length) {
    const std::uint64_t window = std::max<std::uint64_t>(64, kInFlightBytes / payload_bytes);
    std::uint64_t published = 0;
    const TimePoint begin = base::monotonic_now();
    const TimePoint end = begin + length;
    while (base::monotonic_now() < end) {
        for (int i = 0; i < 64; ++i) {
            if (!peer.publish()) return std::nullopt;
            ++published;
        }
        if (published - peer.acknowledged() > window) {
            peer.flush();
            // Half of it, so that publisher and server do not wait for each other's every event.
            if (!peer.await_acknowledged(published - window / 2)) return std::nullopt;
        }
    }
    peer.flush();
    if (!peer.await_acknowledged(published - 1)) return std::nullopt;
    const std::chrono::duration<double> spent = base::monotonic_now() - begin;
    return static_cast<double>(published) / spent.count();
}

struct Latency {
    double p50 = 0;
    double p99 = 0;
};

std::optional<Latency> latency(Peer& peer, Duration length) {
    constexpr int kWarmUp = 200;
    for (int i = 0; i < kWarmUp; ++i)
        if (!peer.round_trip()) return std::nullopt;
    std::vector<double> microseconds;
    const TimePoint end = base::monotonic_now() + length;
    TimePoint before = base::monotonic_now();
    while (before < end) {
        if (!peer.round_trip()) return std::nullopt;
        const TimePoint after = base::monotonic_now();
        microseconds.push_back(std::chrono::duration<double, std::micro>(after - before).count());
        before = after;
    }
    std::ranges::sort(microseconds);
    return Latency{lab::stats::interpolated_quantile(microseconds, 0.5),
                   lab::stats::interpolated_quantile(microseconds, 0.99)};
}

/// All rounds of one question.
struct Series {
    std::string peer;
    std::string acknowledged_means;
    std::vector<std::optional<double>> by_round;  ///< nothing where the trial failed

    std::vector<double> values() const {
        std::vector<double> all;
        for (const auto& value : by_round)
            if (value) all.push_back(*value);
        return all;
    }
};

double middle(const std::vector<double>& values) {
    return values.empty() ? 0 : lab::stats::median(values);
}

/// Median over rounds of the daemon's value against another's.
double ratio(const Series& ours, const Series& theirs) {
    std::vector<double> ratios;
    for (std::size_t r = 0; r < std::min(ours.by_round.size(), theirs.by_round.size()); ++r)
        if (ours.by_round[r] && theirs.by_round[r])
            ratios.push_back(*ours.by_round[r] / *theirs.by_round[r]);
    return middle(ratios);
}

class Bench {
public:
    explicit Bench(const Options& options) : options_(options), rng_(options.seed) {}

    int run() {
        for (const std::size_t payload : {512u, 1024u, 4096u, 8192u}) {
            if (options_.smoke && payload != 1024) continue;
            measure_throughput(payload);
        }
        measure_latency();
        if (options_.json_path.empty()) return 0;
        const nlohmann::json result = {{"schema", "crucible.daemon_performance/1"},
                                       {"seed", options_.seed},
                                       {"rounds", options_.rounds},
                                       {"questions", questions_}};
        const auto written = base::write_file(options_.json_path, result.dump(2) + "\n");
        if (written) return 0;
        fmt::print(stderr, "bench_daemon_performance: {}\n", written.error().message);
        return 2;
    }

private:
    Duration length() const {
        return std::chrono::duration_cast<Duration>(
            std::chrono::duration<double>(options_.seconds));
    }

    /// `measure` of a fresh peer, in rounds of random order. Peers that fail are left out.
    template <typename Measure>
    std::vector<std::vector<Series>> rounds(std::vector<MakePeer> makers, std::size_t payload,
                                            std::size_t values, Measure measure) {
        std::vector<std::vector<Series>> series(values, std::vector<Series>(makers.size()));
        std::vector<std::string> missing(makers.size());
        for (std::uint32_t round = 0; round < options_.rounds; ++round) {
            std::vector<std::size_t> order(makers.size());
            for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
            for (std::size_t i = order.size(); i > 1; --i)
                std::swap(order[i - 1], order[static_cast<std::size_t>(rng_.below(i))]);
            for (const std::size_t i : order) {
                if (!missing[i].empty()) continue;
                auto peer = makers[i]();
                for (auto& value : series) {
                    value[i].peer = peer->name();
                    value[i].acknowledged_means = peer->acknowledged_means();
                    value[i].by_round.resize(round + 1);
                }
                if (const auto started = peer->start(payload); !started) {
                    missing[i] = started.error().message;
                    fmt::print("{}: left out: {}\n", peer->name(), missing[i]);
                    continue;
                }
                const auto measured = measure(*peer);
                peer->stop();
                if (!measured) {
                    fmt::print("{}: a trial failed\n", peer->name());
                    continue;
                }
                for (std::size_t v = 0; v < values; ++v)
                    series[v][i].by_round[round] = (*measured)[v];
            }
        }
        return series;
    }

    void show(std::string_view question, std::string_view unit, const std::vector<Series>& all) {
        fmt::print("\n{}\n", question);
        nlohmann::json rows = nlohmann::json::array();
        for (const auto& series : all) {
            const auto values = series.values();
            if (values.empty()) continue;
            const auto [least, most] = std::ranges::minmax(values);
            const double against = ratio(all.front(), series);
            fmt::print("  {:14} {:>12.1f} {} [{:.1f}, {:.1f}]  crucibled is {:.2f} times that\n",
                       series.peer, middle(values), unit, least, most, against);
            rows.push_back({{"peer", series.peer},
                            {"acknowledged_means", series.acknowledged_means},
                            {"median", middle(values)},
                            {"values", values},
                            {"ratio", against}});
        }
        std::fflush(stdout);
        questions_.push_back({{"question", question}, {"unit", unit}, {"peers", std::move(rows)}});
    }

    void measure_throughput(std::size_t payload) {
        const auto series = rounds(
            {make_daemon_peer, make_nats_peer, make_redis_pubsub_peer, make_redis_stream_peer},
            payload, 1, [&](Peer& peer) -> std::optional<std::vector<double>> {
                const auto rate = throughput(peer, payload, length());
                if (!rate) return std::nullopt;
                return std::vector{*rate / 1e3};
            });
        show(fmt::format("acknowledged events, payload {} B", payload), "k/s", series[0]);
    }

    void measure_latency() {
        const auto series =
            rounds({make_daemon_peer, make_nats_request_peer, make_redis_stream_peer}, 1024, 2,
                   [&](Peer& peer) -> std::optional<std::vector<double>> {
                       const auto found = latency(peer, length());
                       if (!found) return std::nullopt;
                       return std::vector{found->p50, found->p99};
                   });
        show("publish to acknowledgement, one at a time, payload 1024 B: p50", "us", series[0]);
        show("publish to acknowledgement, one at a time, payload 1024 B: p99", "us", series[1]);
    }

    const Options& options_;
    base::Rng rng_;
    nlohmann::json questions_ = nlohmann::json::array();
};

int complain(std::string_view what) {
    fmt::print(stderr, "bench_daemon_performance: {}\n", what);
    return 2;
}

int run(std::span<char*> words) {
    Options options;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string_view word = words[i];
        if (word == "--help" || word == "-h") {
            fmt::print("{}", kHelp);
            return 0;
        }
        if (word == "--smoke") {
            options.smoke = true;
            options.rounds = 1;
            options.seconds = 0.1;
            continue;
        }
        if (word != "--rounds" && word != "--seconds" && word != "--seed" && word != "--json")
            return complain(fmt::format("unknown option '{}'; see --help", word));
        if (i + 1 == words.size()) return complain(fmt::format("{} needs a value", word));
        const std::string_view value = words[++i];
        if (word == "--json") {
            options.json_path = value;
            continue;
        }
        double number = 0;
        const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
        if (parsed.ec != std::errc() || parsed.ptr != value.data() + value.size() ||
            !(number > 0 && number <= 1e6))
            return complain(
                fmt::format("{} '{}': a number above 0, at most 1,000,000", word, value));
        if (word == "--rounds") options.rounds = static_cast<std::uint32_t>(std::max(1.0, number));
        if (word == "--seed") options.seed = static_cast<std::uint64_t>(number);
        if (word == "--seconds") options.seconds = number;
    }
    return Bench(options).run();
}

}  // namespace
}  // namespace crucible::bench

int main(int argc, char** argv) {
    return crucible::bench::run({argv + 1, static_cast<std::size_t>(argc) - 1});
}
