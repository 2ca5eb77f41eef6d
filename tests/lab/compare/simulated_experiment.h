#pragma once

#include <array>
#include <chrono>
#include <cmath>
#include <map>
#include <string>
#include <string_view>

#include "base/rng.h"
#include "lab/experiment/experiment.h"

namespace crucible::lab {

/// Trials whose true answer is known, made without running anything: every metric is its typical
/// value times exp(noise), times the arm's factor.
struct Simulation {
    std::uint32_t rounds = 10;
    std::uint64_t seed = 1;
    double noise = 0.01;                                   ///< uniform within +-noise, log scale
    std::map<std::string, double, std::less<>> candidate;  ///< factors by metric name
    std::map<std::string, double, std::less<>> both = {};  ///< factors of all arms
    std::uint64_t candidate_lost = 0;                      ///< events a trial

    static double typical(const MetricInfo& info) {
        if (info.unit == "s") return 1e-3;
        if (info.unit == "1") return info.name == "error_rate" ? 0 : 0.9;
        if (info.unit == "events") return 0;
        if (info.unit == "cores") return 0.3;
        if (info.unit == "threads") return 12;
        return 5e6;
    }

    /// A phase's course: `per_point` events each 100 ms, 1 ms each, with 5 % noise; a warm-up of
    /// 500 ms and 2 s measured.
    static void add_course(PhaseResult& phase, std::uint64_t per_point, base::Rng& rng) {
        using std::chrono::milliseconds;
        phase.clients.push_back({.window_start = milliseconds(500),
                                 .window = milliseconds(2000),
                                 .payload_bytes = phase.delivery.sent * 1024});
        for (int i = 0; i < 26; ++i) {
            const auto handled = per_point + rng.below(per_point / 20);
            phase.series.push_back({.sent = handled,
                                    .handled = handled,
                                    .latency_sum = Duration(static_cast<std::int64_t>(
                                        handled * (1'000'000 + rng.below(50'000))))});
        }
    }

    ArmResult arm(Arm arm, base::Rng& rng) const {
        ArmResult result;
        result.target = arm == Arm::harness ? "null:" : arm == Arm::candidate ? "b:" : "a:";
        result.valid = true;
        const std::uint64_t lost = arm == Arm::candidate ? candidate_lost : 0;
        for (const auto& info : known_metrics()) {
            double value = typical(info) * std::exp(noise * (2 * rng.uniform() - 1));
            if (const auto common = both.find(info.name); common != both.end())
                value *= common->second;
            const auto factor = candidate.find(info.name);
            if (arm == Arm::candidate && factor != candidate.end()) value *= factor->second;
            if (info.name == "lost") value = static_cast<double>(lost);
            if (info.name == "error_rate") value = static_cast<double>(lost) / 2000;
            result.metrics.push_back({.info = &info, .value = value, .n = 2000, .phase = "steady"});
        }
        result.checks.push_back({.name = "conservation", .passed = true, .detail = "2,000 sent"});
        PhaseResult phase;
        phase.phase = steady_phase(*base::Rate::per_second(1000), 2000);
        phase.delivery = {
            .planned = 2000, .sent = 2000, .handled = 2000 - lost, .lost = lost, .reordered = {}};
        for (int i = 0; i < 2000; ++i) {
            phase.latency.record(std::chrono::nanoseconds(500'000 + rng.below(1'000'000)));
        }
        add_course(phase, 100, rng);
        result.phases.push_back(std::move(phase));
        PhaseResult maximum;
        maximum.phase = maximum_phase(std::chrono::seconds(2), std::chrono::milliseconds(500));
        add_course(maximum, 10'000, rng);
        result.phases.push_back(std::move(maximum));
        result.surroundings = {.wall = std::chrono::seconds(5),
                               .other_cores = 0.02 * rng.uniform(),
                               .stolen_cores = 0};
        result.elapsed = std::chrono::seconds(5);
        return result;
    }

    Experiment experiment() const {
        Experiment experiment;
        ScenarioRounds scenario;
        scenario.scenario = {.name = "medium", .description = "for tests", .events_per_pass = 1000};
        scenario.scenario.plan.phases = {steady_phase(*base::Rate::per_second(1000), 2000),
                                         maximum_phase(std::chrono::seconds(1))};
        base::Rng rng(seed);
        for (std::uint32_t r = 0; r < rounds; ++r) {
            Round round{
                .index = r, .order = arm_order(seed, 0, r), .machine = "a machine", .arms = {}};
            for (const Arm a : round.order) round[a] = arm(a, rng);
            scenario.rounds.push_back(std::move(round));
        }
        experiment.scenarios.push_back(std::move(scenario));
        return experiment;
    }
};

/// One trial of the baseline, 2,000 events in 2 s.
inline TrialResult simulated_trial(std::uint64_t seed) {
    using namespace std::chrono_literals;
    base::Rng rng(seed);
    const auto arm = Simulation{}.arm(Arm::baseline, rng);
    TrialResult result;
    result.target = "a:";
    result.phases = arm.phases;
    result.phases[0].completed = 2000;
    result.phases[0].throughput = 1000;
    result.phases[0].clients.push_back({.completed_in_window = 2000, .window = 2s});
    result.phases[0].clients[0].backlog = {0, 2, 1};
    result.phases[0].usage = {.wall = 2s, .cpu = 100ms, .memory_peak_bytes = 3e7, .samples = 9};
    result.checks = arm.checks;
    return result;
}

}  // namespace crucible::lab
