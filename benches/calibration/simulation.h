#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "lab/experiment/experiment.h"

namespace crucible::bench {

/// Noise of one trial on a shared machine, on the log scale: what all arms of a round share drifts
/// from round to round; each trial adds its own part, and now and then meets a stall that makes it
/// slower.
struct MachineNoise {
    std::string_view name;
    double drift_step = 0.05;        ///< standard deviation of what drives the drift
    double drift_memory = 0.7;       ///< its autocorrelation from round to round
    double spread = 0.05;            ///< standard deviation of a trial without a stall
    double stall_probability = 0.1;  ///< of a trial
    double stall_mean = 0.3;         ///< of an exponentially distributed slow-down
};

/// CPU-bound trials: a paired t-test of 40 rounds finds a shift of 5 % in two of five runs, the
/// signed-rank test in four of five.
inline constexpr MachineNoise kCpuBound{
    .name = "CPU-bound", .spread = 0.052, .stall_probability = 0.12, .stall_mean = 0.28};
/// Trials that pass messages between processes: in three of ten, and in three of five.
inline constexpr MachineNoise kIpcBound{
    .name = "IPC-bound", .spread = 0.057, .stall_probability = 0.2, .stall_mean = 0.26};

double normal(base::Rng& rng);

/// A comparison's rounds, made up: a stand-in for running systems whose true difference is known.
/// All gated metrics of a trial suffer from the same stall, in the measure in which they would:
/// latencies' tails more than throughput, memory not at all.
class SimulatedExperiment {
public:
    /// `shift`: ln(candidate / baseline) of the throughput, and of the CPU time with the other
    /// sign.
    SimulatedExperiment(const MachineNoise& noise, double shift, std::uint64_t seed);

    void add_round();
    lab::Experiment& experiment() noexcept { return experiment_; }
    std::size_t rounds() const noexcept { return experiment_.scenarios[0].rounds.size(); }

private:
    lab::ArmResult trial(bool candidate);

    MachineNoise noise_;
    double shift_;
    std::uint64_t seed_;
    base::Rng rng_;
    double drift_ = 0;
    lab::Experiment experiment_;
};

}  // namespace crucible::bench
