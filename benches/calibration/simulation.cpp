#include "calibration/simulation.h"

#include <cmath>
#include <numbers>

#include "lab/aggregate/metric.h"

namespace crucible::bench {
namespace {

/// How much of a trial's noise each gated metric sees, and its own part.
struct Sensitivity {
    std::string_view metric;
    double typical;
    double spread;  ///< times the trial's
    double stall;   ///< times the stall's; a stall lowers throughput and raises the others
    double shift;   ///< times the candidate's
};
constexpr Sensitivity kSensitivities[] = {
    {"throughput", 50'000, 1, -1, 1},
    {"latency_p50", 100e-6, 1, 0.3, 0},
    {"latency_p95", 300e-6, 1.5, 1, 0},
    {"latency_p99", 900e-6, 2, 2, 0},
    {"cpu_per_event", 10e-6, 0.5, 0.3, 0},
    {"memory_peak", 20e6, 0.1, 0, 0},
    {"error_rate", 0, 0, 0, 0},
};

}  // namespace

double normal(base::Rng& rng) {
    return std::sqrt(2 * rng.exponential()) * std::cos(2 * std::numbers::pi * rng.uniform());
}

SimulatedExperiment::SimulatedExperiment(const MachineNoise& noise, double shift,
                                         std::uint64_t seed)
    : noise_(noise), shift_(shift), seed_(seed), rng_(seed) {
    experiment_.scenarios.push_back({.scenario = {.name = "simulated"}, .rounds = {}});
}

lab::ArmResult SimulatedExperiment::trial(bool candidate) {
    lab::ArmResult arm;
    arm.target = candidate ? "candidate:" : "baseline:";
    arm.valid = true;
    const bool stalled = rng_.uniform() < noise_.stall_probability;
    const double stall = stalled ? noise_.stall_mean * rng_.exponential() : 0;
    for (const auto& sensitivity : kSensitivities) {
        const double log = drift_ + sensitivity.spread * noise_.spread * normal(rng_) +
                           sensitivity.stall * stall + (candidate ? sensitivity.shift * shift_ : 0);
        arm.metrics.push_back({.info = lab::find_metric(sensitivity.metric),
                               .value = sensitivity.typical * std::exp(log),
                               .n = 10'000});
    }
    return arm;
}

void SimulatedExperiment::add_round() {
    drift_ = noise_.drift_memory * drift_ + noise_.drift_step * normal(rng_);
    auto& rounds = experiment_.scenarios[0].rounds;
    const auto index = static_cast<std::uint32_t>(rounds.size());
    lab::Round round{.index = index, .order = lab::arm_order(seed_, 0, index), .arms = {}};
    for (const auto arm : {lab::Arm::baseline, lab::Arm::control, lab::Arm::candidate}) {
        round[arm] = trial(arm == lab::Arm::candidate);
    }
    round[lab::Arm::harness].valid = true;
    rounds.push_back(std::move(round));
}

}  // namespace crucible::bench
