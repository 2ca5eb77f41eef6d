// bench_calibration: how often the verdicts are wrong, where the truth is known.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/units.h"
#include "calibration/figure.h"
#include "calibration/real.h"
#include "calibration/simulation.h"
#include "lab/compare/comparison.h"
#include "lab/stats/effect.h"
#include "lab/stats/rank_sum.h"
#include "lab/stats/round_bootstrap.h"

namespace crucible::bench {
namespace {

constexpr std::string_view kHelp =
    "Usage: bench_calibration [--smoke] [--runs N] [--seed N] [--json FILE]\n"
    "       bench_calibration --real DIR [--runs N] [--planted N] [--seed N] [--json FILE]\n"
    "How often crucible's verdicts and intervals are wrong, in simulated comparisons whose truth\n"
    "is known and whose noise is like that of shared machines: drift, stalls, heavy tails.\n\n"
    "  --real DIR   instead real ones on this machine, some 40 s each: the daemon with itself N\n"
    "               times (default 100), and a service with one that is 5 % slower as often as\n"
    "               --planted says (default 20). DIR keeps their results; those that it has are\n"
    "               not run again\n"
    "  --runs N     comparisons for each figure (default 2000)\n"
    "  --smoke      8 of each, in seconds: shows that it works\n"
    "  --seed N     of the simulation (default 1)\n"
    "  --json FILE  the figures with their 95 % intervals\n"
    "  --help       show this\n\n"
    "A promise is broken when the whole interval of its figure lies outside, open when only the\n"
    "figure does. Exit codes: 0 no promise is broken, 1 one is, 2 bad usage. With --smoke 0.\n";

constexpr std::uint32_t kRoundsMost = 80;

class SimulatedCalibration {
public:
    SimulatedCalibration(std::uint64_t runs, std::uint64_t seed) : runs_(runs), seed_(seed) {}

    void run() {
        for (const auto& noise : {kCpuBound, kIpcBound}) {
            same(noise);
            shifted(noise);
        }
        naive();
        coverage();
    }
    const std::vector<Figure>& figures() const noexcept { return figures_; }

private:
    void add(Figure figure) {
        print(figure);
        figures_.push_back(std::move(figure));
    }

    std::uint64_t next_seed() { return base::Rng::at(seed_, 0, ++stream_).next(); }

    static bool called(const lab::MetricComparison& metric) {
        return metric.verdict == lab::MetricVerdict::better ||
               metric.verdict == lab::MetricVerdict::worse;
    }

    /// Two copies of one system, looked at after every round until decided or 80 rounds.
    void same(const MachineNoise& noise) {
        std::uint64_t false_alarms = 0;
        std::uint64_t slight = 0;
        std::uint64_t voided = 0;
        for (std::uint64_t i = 0; i < runs_; ++i) {
            SimulatedExperiment simulated(noise, 0, next_seed());
            do {
                simulated.add_round();
            } while (simulated.rounds() < kRoundsMost &&
                     lab::needs_more_rounds(simulated.experiment(), options_)[0]);
            const auto comparison = lab::compare(simulated.experiment(), options_);
            const auto& metrics = comparison.scenarios[0].metrics;
            false_alarms += std::ranges::any_of(metrics, called) ? 1 : 0;
            slight +=
                std::ranges::any_of(metrics, [](const auto& metric) { return metric.different; });
            voided += comparison.voided ? 1 : 0;
        }
        add({.name = fmt::format("{}, identical: any false better or worse", noise.name),
             .count = false_alarms,
             .of = runs_,
             .high = 0.05});
        add({.name = fmt::format("{}, identical: any false difference, however small", noise.name),
             .count = slight,
             .of = runs_,
             .high = 0.05});
        add({.name = fmt::format("{}, identical: called void", noise.name),
             .count = voided,
             .of = runs_,
             .high = 0.01});
    }

    static const lab::MetricComparison& throughput(const lab::Comparison& comparison) {
        return comparison.scenarios[0].metrics.front();
    }

    /// Rounds until the throughput's difference is shown; 0 when 80 are not enough.
    std::uint32_t rounds_to_find(const MachineNoise& noise, double shift) {
        SimulatedExperiment simulated(noise, shift, next_seed());
        while (simulated.rounds() < kRoundsMost) {
            simulated.add_round();
            const auto look = lab::look(simulated.experiment(), options_);
            if (look[0].front().p_different > 1 - options_.confidence) continue;
            if (throughput(lab::compare(simulated.experiment(), options_)).different) {
                return static_cast<std::uint32_t>(simulated.rounds());
            }
        }
        return 0;
    }

    void shifted(const MachineNoise& noise) {
        const std::uint64_t runs = std::max<std::uint64_t>(1, runs_ / 4);
        std::uint64_t by40 = 0;
        std::uint64_t by80 = 0;
        for (std::uint64_t i = 0; i < runs; ++i) {
            const auto rounds = rounds_to_find(noise, std::log(1.05));
            by40 += rounds > 0 && rounds <= 40 ? 1 : 0;
            by80 += rounds > 0 ? 1 : 0;
        }
        const bool cpu = noise.name == kCpuBound.name;
        add({.name = fmt::format("{}, throughput +5 %: shown by 40 rounds", noise.name),
             .count = by40,
             .of = runs});
        add({.name = fmt::format("{}, throughput +5 %: shown by 80 rounds", noise.name),
             .count = by80,
             .of = runs,
             .low = cpu ? 0.90 : 0.70});

        std::uint64_t soon = 0;
        for (std::uint64_t i = 0; i < runs; ++i) {
            const auto rounds = rounds_to_find(noise, std::log(1.10));
            soon += rounds > 0 && rounds <= 25 ? 1 : 0;
        }
        add({.name = fmt::format("{}, throughput +10 %: shown by 25 rounds", noise.name),
             .count = soon,
             .of = runs,
             .low = 0.50});

        std::uint64_t equivalent = 0;
        for (std::uint64_t i = 0; i < runs; ++i) {
            SimulatedExperiment simulated(noise, std::log(1.10), next_seed());
            while (simulated.rounds() < kRoundsMost / 2) simulated.add_round();
            const auto verdict = throughput(lab::compare(simulated.experiment(), options_)).verdict;
            const bool ever = verdict == lab::MetricVerdict::equivalent ||
                              verdict == lab::MetricVerdict::changed_within_margin;
            equivalent += ever ? 1 : 0;
        }
        add({.name = fmt::format("{}, throughput +10 %: called equivalent after 40", noise.name),
             .count = equivalent,
             .of = runs,
             .high = 0.01});
    }

    /// What is usually done: all of A, then all of B, and a test of the two samples.
    void naive() {
        for (const auto& noise : {kCpuBound, kIpcBound}) {
            std::uint64_t alarms = 0;
            for (std::uint64_t i = 0; i < runs_; ++i) {
                base::Rng rng(next_seed());
                double drift = 0;
                std::vector<double> sides[2];
                for (auto& side : sides) {
                    for (int r = 0; r < 20; ++r) {
                        drift = noise.drift_memory * drift + noise.drift_step * normal(rng);
                        side.push_back(drift + noise.spread * normal(rng));
                    }
                }
                alarms +=
                    lab::stats::rank_sum_p_value_normal(sides[0], sides[1]).value_or(1) <= 0.05 ? 1
                                                                                                : 0;
            }
            add({.name = fmt::format("{}, identical, not interleaved, U test: called different",
                                     noise.name),
                 .count = alarms,
                 .of = runs_});
        }
    }

    /// 95 % intervals of 20 rounds under distributions of trials that no test likes.
    void coverage() {
        using Draw = std::function<double(base::Rng&, double&)>;
        const std::vector<std::pair<std::string_view, Draw>> shapes{
            {"log-normal", [](base::Rng& rng, double&) { return 0.3 * normal(rng); }},
            {"Pareto",
             [](base::Rng& rng, double&) { return rng.exponential() / 2.5; }},  // ln of Pareto(2.5)
            {"AR(.6)",
             [](base::Rng& rng, double& state) {
                 state = 0.6 * state + 0.1 * normal(rng);
                 return state;
             }},
            {"bimodal",
             [](base::Rng& rng, double&) {
                 return (rng.uniform() < 0.5 ? 0.0 : 0.4) + 0.05 * normal(rng);
             }},
        };
        constexpr int kRounds = 20;
        const double shift = std::log(1.07);
        for (const auto& [name, draw] : shapes) {
            std::uint64_t covered = 0;
            for (std::uint64_t i = 0; i < runs_; ++i) {
                base::Rng rng(next_seed());
                double state = 0;
                std::vector<double> differences;
                for (int r = 0; r < kRounds; ++r) {
                    // Order within a round is random, so that what one trial leaves to the next
                    // favours neither.
                    const bool candidate_first = rng.uniform() < 0.5;
                    const double first = draw(rng, state);
                    const double second = draw(rng, state);
                    differences.push_back((candidate_first ? first - second : second - first) +
                                          shift);
                }
                const auto interval = lab::stats::paired_effect(differences, 0.95, i)->interval;
                covered += interval.low <= shift && shift <= interval.high ? 1 : 0;
            }
            add({.name =
                     fmt::format("{} trials, 20 rounds: 95 % interval of the ratio covers", name),
                 .count = covered,
                 .of = runs_,
                 .low = 0.93,
                 .high = 0.97});
        }
        for (const double p : {0.5, 0.99}) {
            for (const auto& [name, draw] : shapes) pooled(name, draw, p, shift);
        }
    }

    /// The change of a quantile: what comparisons print, and that of all rounds pooled.
    void pooled(std::string_view name, const std::function<double(base::Rng&, double&)>& draw,
                double p, double shift) {
        constexpr std::size_t kRounds = 30;
        constexpr int kEvents = 400;
        constexpr int kSteps = 2048;
        constexpr double kStepsPerUnit = 256;  // buckets of 0.4 %
        const auto bucket = [](double log) {
            const double step = (log + 3) * kStepsPerUnit;
            return static_cast<std::size_t>(std::clamp(step, 0.0, kSteps - 1.0));
        };
        std::vector<double> values;
        for (int i = 0; i < kSteps; ++i) values.push_back(std::exp((i + 0.5) / kStepsPerUnit - 3));
        const std::uint64_t runs = std::max<std::uint64_t>(1, runs_ / 4);
        std::uint64_t covered = 0;
        std::uint64_t covered_by_rounds = 0;
        std::vector<std::uint32_t> one_round(kRounds);
        for (std::uint64_t i = 0; i < runs; ++i) {
            base::Rng rng(next_seed());
            double state = 0;
            std::vector<double> differences;
            lab::stats::PairedRounds rounds(values, kRounds);
            for (std::size_t r = 0; r < kRounds; ++r) {
                std::vector<std::uint64_t> sides[2];
                for (std::size_t side = 0; side < 2; ++side) {
                    sides[side].resize(values.size());
                    const double level = 0.3 * draw(rng, state);
                    for (int e = 0; e < kEvents; ++e) {
                        const double log = level + 0.4 * normal(rng) + (side == 1 ? shift : 0);
                        ++sides[side][bucket(log)];
                    }
                }
                rounds.set_round(r, sides[0], sides[1]);
                one_round[r] = 1;
                differences.push_back(rounds.log_ratio(p, one_round));
                one_round[r] = 0;
            }
            const auto interval = lab::stats::paired_effect(differences, 0.95, i)->interval;
            covered_by_rounds += interval.low <= shift && shift <= interval.high ? 1 : 0;
            const auto found = lab::stats::pooled_quantile_ratio(rounds, p, 0.95, 1000, i);
            covered += found->interval.low <= shift && shift <= found->interval.high ? 1 : 0;
        }
        add({.name = fmt::format("{}, 30 rounds: 95 % interval of the change of p{:g} covers", name,
                                 p * 100),
             .count = covered_by_rounds,
             .of = runs,
             .low = 0.93,
             .high = 0.97});
        add({.name =
                 fmt::format("{}, 30 rounds: the same of pooled p{:g}, bootstrap", name, p * 100),
             .count = covered,
             .of = runs});
    }

    std::uint64_t runs_;
    std::uint64_t seed_;
    std::uint64_t stream_ = 0;
    lab::CompareOptions options_;
    std::vector<Figure> figures_;
};

nlohmann::json figures_json(const std::vector<Figure>& figures, std::uint64_t seed) {
    nlohmann::json all = nlohmann::json::array();
    for (const auto& figure : figures) {
        const auto [low, high] = figure.interval();
        all.push_back({{"name", figure.name},
                       {"count", figure.count},
                       {"of", figure.of},
                       {"share", figure.share()},
                       {"ci_low", low},
                       {"ci_high", high},
                       {"promise", {figure.low, figure.high}},
                       {"state", figure.state()}});
    }
    return {{"schema", "crucible.calibration/1"}, {"seed", seed}, {"figures", std::move(all)}};
}

int complain(std::string_view what) {
    fmt::print(stderr, "bench_calibration: {}\n", what);
    return 2;
}

struct Arguments {
    std::uint64_t runs = 0;  ///< 0: not given
    std::uint64_t planted = 20;
    std::uint64_t seed = 1;
    std::string json_path;
    std::string real;  ///< directory; empty: simulated
    bool smoke = false;
};

/// The exit code where the program is to end at once.
std::optional<int> parse(std::span<char*> words, Arguments& arguments) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string_view word = words[i];
        if (word == "--help" || word == "-h") {
            fmt::print("{}", kHelp);
            return 0;
        }
        if (word == "--smoke") {
            arguments.smoke = true;
            continue;
        }
        const bool path = word == "--json" || word == "--real";
        if (!path && word != "--runs" && word != "--seed" && word != "--planted")
            return complain(fmt::format("unknown option '{}'; see --help", word));
        if (i + 1 == words.size()) return complain(fmt::format("{} needs a value", word));
        const std::string_view value = words[++i];
        if (path) {
            (word == "--json" ? arguments.json_path : arguments.real) = value;
            continue;
        }
        char* end = nullptr;
        const auto number = std::strtoull(words[i], &end, 10);
        if (end == words[i] || *end != '\0' || number == 0 || number > 1'000'000)
            return complain(
                fmt::format("{} '{}': a whole number from 1 to 1,000,000", word, value));
        (word == "--runs"   ? arguments.runs
         : word == "--seed" ? arguments.seed
                            : arguments.planted) = number;
    }
    return std::nullopt;
}

Result<std::vector<Figure>> measure(const Arguments& arguments) {
    if (!arguments.real.empty()) {
        const auto runs = static_cast<std::uint32_t>(arguments.runs > 0 ? arguments.runs : 100);
        return calibrate_on_this_machine({.directory = arguments.real,
                                          .identical = runs,
                                          .planted = static_cast<std::uint32_t>(arguments.planted),
                                          .seed = arguments.seed});
    }
    const std::uint64_t runs = arguments.runs > 0 ? arguments.runs : 2000;
    SimulatedCalibration calibration(arguments.smoke ? 8 : runs, arguments.seed);
    calibration.run();
    return calibration.figures();
}

int run(std::span<char*> words) {
    Arguments arguments;
    if (const auto ended = parse(words, arguments)) return *ended;
    const auto figures = measure(arguments);
    if (!figures) return complain(figures.error().message);
    if (!arguments.json_path.empty()) {
        const auto written = base::write_file(
            arguments.json_path, figures_json(*figures, arguments.seed).dump(2) + "\n");
        if (!written) return complain(written.error().message);
    }
    return std::ranges::any_of(*figures, &Figure::broken) && !arguments.smoke ? 1 : 0;
}

}  // namespace
}  // namespace crucible::bench

int main(int argc, char** argv) {
    return crucible::bench::run({argv + 1, static_cast<std::size_t>(argc) - 1});
}
