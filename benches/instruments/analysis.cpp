#include "instruments/analysis.h"

#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "base/rng.h"
#include "lab/compare/comparison.h"
#include "lab/stats/round_bootstrap.h"
#include "support/micro_bench.h"

namespace crucible::bench {
namespace {

using namespace std::chrono_literals;
using benchmark::State;

constexpr std::uint32_t kRounds = 40;
constexpr std::size_t kScenarios = 4;

lab::PhaseResult phase_of(lab::Phase phase, base::Rng& rng) {
    lab::PhaseResult result;
    result.phase = std::move(phase);
    result.delivery = {.planned = 2000, .sent = 2000, .handled = 2000};
    result.clients.push_back({.window_start = 500ms, .window = 2s});
    for (int i = 0; i < 25; ++i) {
        result.series.push_back(
            {.sent = 80, .handled = 80, .latency_sum = 80ms + Duration(rng.below(20'000'000))});
    }
    for (int i = 0; i < 2000; ++i) result.latency.record(500us + Duration(rng.below(1'000'000)));
    return result;
}

lab::ArmResult arm_of(lab::Arm arm, base::Rng& rng) {
    lab::ArmResult result;
    result.target = arm == lab::Arm::harness ? "null:" : arm == lab::Arm::candidate ? "b:" : "a:";
    result.valid = true;
    for (const auto& info : lab::known_metrics()) {
        const double value = info.unit == "events" || info.name == "error_rate"
                                 ? 0
                                 : std::exp(0.1 * (rng.uniform() - 0.5));
        result.metrics.push_back({.info = &info, .value = value, .n = 2000});
    }
    result.phases.push_back(
        phase_of(lab::steady_phase(*base::Rate::per_second(1000), 2000, 500ms), rng));
    result.phases.push_back(phase_of(lab::maximum_phase(2s, 500ms), rng));
    result.surroundings = {.wall = 5s, .other_cores = 0.1 * rng.uniform(), .stolen_cores = 0};
    return result;
}

/// 10 % noise and no difference: nothing is decided early, so that every interval is made.
lab::Experiment noisy_experiment() {
    lab::Experiment experiment;
    base::Rng rng(1);
    for (std::size_t s = 0; s < kScenarios; ++s) {
        lab::ScenarioRounds scenario;
        scenario.scenario.name = "scenario";
        scenario.scenario.plan.phases = {lab::steady_phase(*base::Rate::per_second(1000), 2000),
                                         lab::maximum_phase(2s)};
        for (std::uint32_t r = 0; r < kRounds; ++r) {
            lab::Round round{
                .index = r, .order = lab::arm_order(1, s, r), .machine = {}, .arms = {}};
            for (const auto arm : round.order) round[arm] = arm_of(arm, rng);
            scenario.rounds.push_back(std::move(round));
        }
        experiment.scenarios.push_back(std::move(scenario));
    }
    return experiment;
}

void judge(State& state) {
    const auto experiment = noisy_experiment();
    for (auto _ : state) benchmark::DoNotOptimize(lab::compare(experiment, {}));
}

void look_after_a_round(State& state) {
    const auto experiment = noisy_experiment();
    for (auto _ : state) benchmark::DoNotOptimize(lab::look(experiment, {}));
}

/// 20 rounds of histograms of 1,024 buckets, resampled 2,000 times.
void bootstrap_rounds(State& state) {
    constexpr std::size_t kHistograms = 20;
    constexpr std::size_t kBuckets = 1024;
    std::vector<double> values;
    for (std::size_t i = 0; i < kBuckets; ++i)
        values.push_back(std::exp(static_cast<double>(i) / 256));
    base::Rng rng(1);
    lab::stats::PairedRounds rounds(values, kHistograms);
    for (std::size_t r = 0; r < kHistograms; ++r) {
        std::vector<std::uint64_t> sides[2];
        for (auto& side : sides) {
            side.resize(kBuckets);
            for (int i = 0; i < 10'000; ++i) {
                const double sum = rng.uniform() + rng.uniform() + rng.uniform();
                ++side[static_cast<std::size_t>(sum / 3 * kBuckets)];
            }
        }
        rounds.set_round(r, sides[0], sides[1]);
    }
    for (auto _ : state)
        benchmark::DoNotOptimize(lab::stats::pooled_quantile_ratio(rounds, 0.99, 0.95, 2000, 1));
}

}  // namespace

void register_analysis() {
    add("analysis/bootstrap/rounds:20/buckets:1024/resamples:2000", bootstrap_rounds);
    add("analysis/look/rounds:40/scenarios:4", look_after_a_round)->Unit(benchmark::kMillisecond);
    add("analysis/compare/rounds:40/scenarios:4", judge)->Unit(benchmark::kMillisecond);
}

}  // namespace crucible::bench
